// The name of a pack: a hash over everything that decides what is in it (docs/design/pack-cache.md). Equal keys, equal objects.
import { createHash } from 'node:crypto'
import { compareBytes, hex } from '../../base/index.ts'
import type { FilterSpec } from '../format/filter-spec.ts'
import type { PackSet } from '../odb/pack-set.ts'
import type { PackRequest } from './selection.ts'

/** Each field of a request as text that says the same in every process: ids instead of numbers. A field that isn't here doesn't compile. */
const fields: { readonly [K in keyof Required<PackRequest>]: (value: PackRequest[K], set: PackSet) => string } = {
  wants: idsOf,
  haves: idsOf,
  grafts: idsOf,
  filter: (filter) => JSON.stringify(filter),
  thinPack: String,
  ofsDelta: String,
  tags: (tags, set) =>
    tags
      .map(({ number, target }) => `${hex(set.oid(number))} ${hex(set.oid(target))}`)
      .toSorted()
      .join(','),
}

/** Of one network; 64 hex digits. Null: what is in the pack depends on something else too, the name of a ref. */
export function requestKey(set: PackSet, request: PackRequest): string | null {
  if (request.filter !== null && !isFixed(request.filter)) return null
  const hash = createHash('sha256')
  for (const [name, textOf] of Object.entries(fields) as [keyof PackRequest, (value: unknown, set: PackSet) => string][]) {
    hash.update(`${name}=${textOf(request[name], set)}\n`)
  }
  return hash.digest('hex')
}

function idsOf(numbers: readonly number[], set: PackSet): string {
  return numbers
    .map((number) => set.oid(number))
    .toSorted(compareBytes)
    .map(hex)
    .join(',')
}

/** `main:patterns` is another blob tomorrow. */
function isFixed(filter: FilterSpec): boolean {
  if (filter.kind === 'combine') return filter.filters.every(isFixed)
  return filter.kind !== 'sparse:oid' || /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(filter.name)
}
