// What a partial clone leaves out (git-rev-list(1) --filter; gitprotocol-v2(5) `filter`): the parsed form, and the text it is parsed from:
//   blob:none · blob:limit=<n>[kmg] · tree:<depth> · object:type=<type> · sparse:oid=<blob-ish> · combine:<spec>+<spec>…
// The parts of `combine` are percent-encoded: they may hold anything, a `combine` of their own, too.
import { InputError } from '../../base/index.ts'
import { printable } from './capabilities.ts'
import { percentDecode } from './percent.ts'

export type FilterSpec =
  | { readonly kind: 'blob:none' }
  /** Blobs of that size and larger are left out. */
  | { readonly kind: 'blob:limit'; readonly sizeBytes: number }
  /** Trees and blobs at that depth below a root tree and deeper are left out: 0 leaves all of them out. */
  | { readonly kind: 'tree'; readonly depth: number }
  | { readonly kind: 'object:type'; readonly type: 'commit' | 'tree' | 'blob' | 'tag' }
  /** Blobs outside the sparse-checkout patterns are left out; `name` says which blob holds them (an object id or `rev:path`). */
  | { readonly kind: 'sparse:oid'; readonly name: string }
  /** Left out by any of them. */
  | { readonly kind: 'combine'; readonly filters: readonly FilterSpec[] }

/** Filters in one `combine`, those in its parts counted, and how deep they stand in one another. Git has no limits of its own. */
const mostFilters = 64
const deepestFilter = 8

const types = ['commit', 'tree', 'blob', 'tag'] as const
/** As git's RESERVED_NON_WS: in a part of `combine` these, white space and what isn't ASCII have to be encoded. */
const reserved = '~`!@#$^&*()[]{}\\;\'",<>?'

/** InputError `filter-spec` in git's words. */
export function parseFilterSpec(text: string): FilterSpec {
  return parseFilter(text, { depth: 0, filters: 0 })
}

interface Counts {
  depth: number
  filters: number
}

function parseFilter(text: string, counts: Counts): FilterSpec {
  if (++counts.filters > mostFilters) throw fault(`more than ${mostFilters} filters in one filter-spec`)
  if (text === 'auto') throw fault("'auto' filter not supported by this command")
  if (text === 'blob:none') return { kind: 'blob:none' }
  const colon = text.indexOf(':')
  const equals = text.indexOf('=')
  if (text.startsWith('tree:')) {
    const depth = parseUnsigned(text.slice(colon + 1))
    if (depth === null) throw fault("expected 'tree:<depth>'")
    return { kind: 'tree', depth }
  }
  if (text.startsWith('combine:')) return parseCombine(text.slice(colon + 1), counts)
  const value = text.slice(equals + 1)
  switch (equals < 0 ? '' : text.slice(0, equals)) {
    case 'blob:limit': {
      const sizeBytes = parseUnsigned(value)
      if (sizeBytes !== null) return { kind: 'blob:limit', sizeBytes }
      break
    }
    case 'sparse:oid':
      return { kind: 'sparse:oid', name: value }
    case 'sparse:path':
      throw fault('sparse:path filters support has been dropped')
    case 'object:type': {
      const type = types.find((known) => known === value)
      if (!type) throw fault(`'${printable(value)}' for 'object:type=<type>' is not a valid object type`)
      return { kind: 'object:type', type }
    }
  }
  throw fault(`invalid filter-spec '${printable(text)}'`)
}

function parseCombine(text: string, counts: Counts): FilterSpec {
  if (text === '') throw fault('expected something after combine:')
  if (++counts.depth > deepestFilter) throw fault(`combine: filters more than ${deepestFilter} deep`)
  const filters: FilterSpec[] = []
  for (const part of text.split('+')) {
    if (part === '') continue
    const raw = Array.from(part).find((char) => char <= ' ' || char > '\x7f' || reserved.includes(char))
    if (raw !== undefined) throw fault(`must escape char in sub-filter-spec: '${printable(raw)}'`)
    filters.push(parseFilter(percentDecode(part), counts))
  }
  counts.depth--
  return { kind: 'combine', filters }
}

/** As git_parse_ulong: decimal, 0x…, 0…, with k, m or g; null when it is none or beyond 64 bits. More than 2⁵³ is as good as no limit. */
function parseUnsigned(text: string): number | null {
  const match = /^\+?(0x[0-9a-f]+|[0-9]+)([kmg]?)$/i.exec(text)
  if (!match || text.length > 40) return null
  const digits = match[1] as string
  if (/^0[0-9]/.test(digits) && !/^[0-7]+$/.test(digits)) return null
  const value = BigInt(/^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits)
  const all = value * BigInt({ '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }[(match[2] ?? '').toLowerCase()] as number)
  if (all >= 2n ** 64n) return null
  return Math.min(Number(all), Number.MAX_SAFE_INTEGER)
}

/** What a host allows (git-config(1), uploadpackfilter.*). */
export interface FilterRules {
  /** Whether filters that have no rule of their own are allowed. */
  readonly fallback: boolean
  /** By `kind`. */
  readonly allowed: ReadonlyMap<string, boolean>
  readonly treeMaxDepth: number
}

/** InputError `filter-banned` in git's words when the rules don't allow the filter, or one in it. */
export function assertFilterAllowed(filter: FilterSpec, rules: FilterRules): void {
  if (!(rules.allowed.get(filter.kind) ?? rules.fallback)) throw new InputError('filter-banned', `filter '${filter.kind}' not supported`)
  if (filter.kind === 'tree' && filter.depth > rules.treeMaxDepth) {
    throw new InputError('filter-banned', `tree filter allows max depth ${rules.treeMaxDepth}, but got ${filter.depth}`)
  }
  if (filter.kind === 'combine') for (const part of filter.filters) assertFilterAllowed(part, rules)
}

/** The filter with each `sparse:oid` named anew. */
export function mapSparse(filter: FilterSpec, rename: (name: string) => string): FilterSpec {
  if (filter.kind === 'sparse:oid') return { kind: 'sparse:oid', name: rename(filter.name) }
  return filter.kind === 'combine' ? { kind: 'combine', filters: filter.filters.map((part) => mapSparse(part, rename)) } : filter
}

function fault(message: string): InputError {
  return new InputError('filter-spec', message)
}
