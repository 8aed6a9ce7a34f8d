// Everything that the pack's objects refer to must be in the pack or already there, and of the right kind. No walk is needed: the store is
// closed (docs/design/pack-key.md), so one look at each different reference decides it.
import { compareBytes, hex } from '../../base/index.ts'
import { RefFlag } from '../../../kernels/index.ts'
import { fsckSpecial, refusesPush, type SpecialRole } from '../format/fsck/index.ts'
import { Kind, kindName, type ObjectId } from '../format/object-id.ts'
import { type EntryTable, IS_APPENDED } from './entry-table.ts'
import { refuse } from './errors.ts'
import type { IndexOptions } from './index-pack.ts'
import { checkObject, mostWarnings, references } from './scanner.ts'
import type { IdIndex } from './sorted-ids.ts'
import { readStored } from './stored-object.ts'
import { LARGE_BYTES } from './workspace.ts'

const KIND_FLAGS = RefFlag.commit | RefFlag.tree | RefFlag.blob | RefFlag.tag
const roles: readonly [SpecialRole, number][] = [
  ['gitmodules', RefFlag.gitmodules],
  ['gitattributes', RefFlag.gitattributes],
]
const MAX_LISTED = 10

export interface Connections {
  /** Packed ids, ascending. */
  readonly sources: Uint8Array
  readonly externals: Uint8Array
}

/** The pack's different objects by ascending id, and for each its entry. */
export interface Positions {
  readonly index: IdIndex
  readonly entries: Uint32Array
}

interface Outside {
  readonly id: Uint8Array
  flags: number
}

/** `found`: what the threads found, ids with flags; `warnings` is added to. InputErrors `object-missing`, `object-kind`, `fsck`. */
export async function connect(
  table: EntryTable,
  positions: Positions,
  found: readonly Uint8Array[],
  options: IndexOptions,
  warnings: string[],
): Promise<Connections> {
  const flags = new Uint8Array(positions.entries.length)
  const outside = mergeReferences(table, positions, found, flags)
  checkKindsInPack(table, positions, flags)
  const missing = await checkOutside(outside, options)
  const excused = missing.length > 0 ? absentParents(table, positions, missing, options) : new Set<string>()
  const unexcused = missing.filter(({ id }) => !excused.has(hex(id)))
  if (unexcused.length > 0) throw missingObjects(unexcused)
  if (options.fsck !== null) await checkSpecialFiles(table, positions, flags, outside, options, warnings)
  const externals = outside.filter(({ id }) => !excused.has(hex(id)))
  return { sources: sourcesOf(table, positions, flags), externals: Buffer.concat(externals.map(({ id }) => id)) }
}

/** Flags of what is in the pack go to `flags`; the rest is returned, ascending. */
function mergeReferences(table: EntryTable, { index }: Positions, found: readonly Uint8Array[], flags: Uint8Array): Outside[] {
  const { idWords, idBytes } = table
  const outside: Outside[] = []
  for (const bytes of found) {
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
    const rest: number[] = []
    for (let at = 0; at < words.length; at += idWords + 1) {
      const position = index.find(words, at)
      if (position >= 0) flags[position]! |= words[at + idWords]!
      else rest.push(at)
    }
    for (const at of rest) outside.push({ id: bytes.subarray(at * 4, at * 4 + idBytes), flags: words[at + idWords]! })
  }
  outside.sort((a, b) => compareBytes(a.id, b.id))
  const merged: Outside[] = []
  for (const next of outside) {
    const last = merged.at(-1)
    if (last !== undefined && compareBytes(last.id, next.id) === 0) last.flags |= next.flags
    else merged.push(next)
  }
  return merged
}

function checkKindsInPack(table: EntryTable, { entries }: Positions, flags: Uint8Array): void {
  for (let i = 0; i < entries.length; i++) {
    const kind = table.columns.kinds[entries[i]!]! & 7
    if ((flags[i]! & KIND_FLAGS & ~(1 << kind)) !== 0) throw wrongKind(table.oid(entries[i]!), kind, flags[i]!)
  }
}

function wrongKind(id: Uint8Array, kind: number, flags: number): Error {
  const wanted = ([1, 2, 3, 4] as const).find((k) => k !== kind && (flags & (1 << k)) !== 0) ?? Kind.blob
  return refuse('object-kind', `object ${hex(id)} is a ${kindName(kind as Kind)}, not a ${kindName(wanted)}`)
}

/** Asks for all of them; returns those that are nowhere. */
async function checkOutside(outside: readonly Outside[], options: IndexOptions): Promise<Outside[]> {
  const missing: Outside[] = []
  const STEP = 65536
  for (let first = 0; first < outside.length; first += STEP) {
    const some = outside.slice(first, first + STEP)
    const kinds = await options.existing.kinds(Buffer.concat(some.map(({ id }) => id)))
    some.forEach((object, i) => {
      const kind = kinds[i] ?? 0
      if (kind === 0) missing.push(object)
      else if ((object.flags & KIND_FLAGS & ~(1 << kind)) !== 0) throw wrongKind(object.id, kind, object.flags)
    })
  }
  return missing
}

function missingObjects(missing: readonly Outside[]): Error {
  const list = missing.slice(0, MAX_LISTED).map(({ id, flags }) => {
    const kind = ([1, 2, 3, 4] as const).find((k) => (flags & (1 << k)) !== 0)
    return `missing ${kind === undefined ? 'object' : kindName(kind)} ${hex(id)}`
  })
  const more = missing.length > MAX_LISTED ? `\n… and ${missing.length - MAX_LISTED} more` : ''
  return refuse('object-missing', `${list.join('\n')}${more}`)
}

/** Of the missing, those that only the pack's shallow commits name as parents. */
function absentParents(table: EntryTable, { entries }: Positions, missing: readonly Outside[], options: IndexOptions): Set<string> {
  const excused = new Set<string>()
  const shallow = new Set<string>(options.shallow ?? [])
  if (shallow.size === 0) return excused
  const candidates = new Set(missing.filter(({ flags }) => (flags & KIND_FLAGS) === RefFlag.commit).map(({ id }) => hex(id)))
  const needed = new Set<string>()
  for (const entry of entries) {
    const kind = (table.columns.kinds[entry]! & 7) as Kind
    if (kind !== Kind.commit && kind !== Kind.tag) continue
    const bytes = readStored(table, options.spool, entry)
    if (bytes === null) continue
    const isShallow = shallow.has(hex(table.oid(entry)))
    references(kind, bytes, options.format, (id) => {
      const name = hex(id)
      if (candidates.has(name)) (isShallow ? excused : needed).add(name)
    })
  }
  for (const name of needed) excused.delete(name)
  return excused
}

/** The contents of `.gitmodules` and `.gitattributes`, wherever those blobs are. */
async function checkSpecialFiles(
  table: EntryTable,
  { entries }: Positions,
  flags: Uint8Array,
  outside: readonly Outside[],
  options: IndexOptions,
  warnings: string[],
): Promise<void> {
  const warn = (finding: string) => {
    if (warnings.length < mostWarnings) warnings.push(finding)
  }
  const check = (id: Uint8Array, bytes: Uint8Array | null, set: number) => {
    const held = roles.filter(([, flag]) => (set & flag) !== 0).map(([role]) => role)
    if (bytes !== null) return checkObject(Kind.blob, bytes, options.format, options.fsck ?? {}, warn, held)
    const { skip, ...rest } = options.fsck ?? {}
    const findings = held.flatMap((role) => fsckSpecial(role, 'large', rest))
    if (refusesPush(findings) && skip?.includes(hex(id) as ObjectId) !== true) {
      throw refuse('fsck', `object ${hex(id)}: ${findings[0]!.id}: ${findings[0]!.message}`)
    }
  }
  const special = RefFlag.gitmodules | RefFlag.gitattributes
  for (let i = 0; i < entries.length; i++) {
    if ((flags[i]! & special) !== 0) check(table.oid(entries[i]!), readStored(table, options.spool, entries[i]!), flags[i]!)
  }
  for (const object of outside) {
    if ((object.flags & special) === 0) continue
    check(object.id, (await options.existing.read(object.id, LARGE_BYTES))?.bytes ?? null, object.flags)
  }
}

function sourcesOf(table: EntryTable, { entries }: Positions, flags: Uint8Array): Uint8Array {
  const ids: Uint8Array[] = []
  for (let i = 0; i < entries.length; i++) {
    const isAppended = (table.columns.kinds[entries[i]!]! & IS_APPENDED) !== 0
    if ((flags[i]! & KIND_FLAGS) === 0 && !isAppended) ids.push(table.oid(entries[i]!))
  }
  return Buffer.concat(ids)
}
