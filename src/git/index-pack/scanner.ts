// Looks at each object once, while it is in memory: what it refers to, and whether git's fsck has something against it. The kernel does
// that for nearly all trees and commits; what it doesn't call clean, and tags, are read here by the precise checks.
import { createHash } from 'node:crypto'
import { latin1, utf8 } from '../../base/index.ts'
import { RefFlag } from '../../../kernels/index.ts'
import { formatFinding, fsckObject, type SpecialRole } from '../format/fsck/index.ts'
import { Kind, kindName, type ObjectFormat, type ObjectId, hashBytes } from '../format/object-id.ts'
import { refuse } from './errors.ts'
import type { FsckSettings } from './index-pack.ts'
import type { Workspace } from './workspace.ts'

const roleFlags: Record<SpecialRole, number> = { gitmodules: RefFlag.gitmodules, gitattributes: RefFlag.gitattributes }

/** The id of an object that is at hand. */
export function objectIdOf(kind: Kind, bytes: Uint8Array, format: ObjectFormat): ObjectId {
  return createHash(format)
    .update(`${kindName(kind)} ${bytes.length}\0`)
    .update(bytes)
    .digest('hex') as ObjectId
}

/** Of a pack so many warnings are kept: the pusher reads no more. */
export const mostWarnings = 100

/** Throws what fsck calls an error, in git's words; anything less goes to `warn`. */
export function checkObject(
  kind: Kind,
  bytes: Uint8Array,
  format: ObjectFormat,
  settings: FsckSettings,
  warn: (finding: string) => void,
  roles: readonly SpecialRole[] = [],
  onSpecial: (role: SpecialRole, oid: Uint8Array) => void = () => {},
): void {
  const oid = objectIdOf(kind, bytes, format)
  const { skip, ...rest } = settings
  const skipped = skip?.includes(oid) === true
  const findings = fsckObject(kind, bytes, format, { ...rest, oid, roles, onSpecial, skip: { has: () => skipped } })
  const error = findings.find((finding) => finding.severity === 'error')
  for (const finding of findings) if (finding.severity !== 'error') warn(formatFinding(oid, finding))
  if (error !== undefined) throw refuse('fsck', `object ${oid}: ${error.id}: ${error.message}`)
}

/** What an object refers to, as far as it can be read: an id and flags for each. Gitlinks are not references. */
export function references(kind: Kind, bytes: Uint8Array, format: ObjectFormat, found: (id: Uint8Array, flags: number) => void): void {
  if (kind === Kind.tree) return treeReferences(bytes, format, found)
  if (kind === Kind.blob) return
  const digits = hashBytes(format) * 2
  const id = (line: string, word: string) => Uint8Array.from(Buffer.from(line.slice(word.length, word.length + digits), 'hex'))
  const end = bytes.indexOf(0x0a, digits + 8)
  if (kind === Kind.tag) {
    const lines = latin1(bytes.subarray(0, Math.min(bytes.length, digits + 64))).split('\n')
    const target = lines[1]?.replace(/^type /, '') ?? ''
    const flags = Object.hasOwn(RefFlag, target) ? RefFlag[target as 'commit'] : 0
    if (lines[0]?.length === digits + 7 && lines[0].startsWith('object '))
      found(id(lines[0], 'object '), flags || RefFlag.tag | RefFlag.commit)
    return
  }
  if (end < 0) return
  let at = 0
  for (const [word, flag] of [
    ['tree ', RefFlag.tree],
    ['parent ', RefFlag.commit],
  ] as const) {
    const begin = utf8(word)
    while (startsWith(bytes, begin, at) && bytes[at + begin.length + digits] === 0x0a) {
      found(id(latin1(bytes.subarray(at, at + begin.length + digits)), word), flag)
      at += begin.length + digits + 1
      if (flag === RefFlag.tree) break
    }
  }
}

function startsWith(bytes: Uint8Array, begin: Uint8Array, at: number): boolean {
  for (let i = 0; i < begin.length; i++) if (bytes[at + i] !== begin[i]) return false
  return true
}

function treeReferences(bytes: Uint8Array, format: ObjectFormat, found: (id: Uint8Array, flags: number) => void): void {
  const idBytes = hashBytes(format)
  for (let at = 0; at < bytes.length; ) {
    let mode = 0
    while (at < bytes.length && bytes[at] !== 0x20) mode = (mode * 8 + (bytes[at++]! - 0x30)) & 0xffff
    const nul = bytes.indexOf(0, at)
    if (nul < 0 || nul + 1 + idBytes > bytes.length) return
    const type = mode & 0o170000
    if (type !== 0o160000) found(bytes.subarray(nul + 1, nul + 1 + idBytes), type === 0o040000 ? RefFlag.tree : RefFlag.blob)
    at = nul + 1 + idBytes
  }
}

export class Scanner {
  readonly #workspace: Workspace
  readonly #format: ObjectFormat
  readonly #idBytes: number
  readonly #settings: FsckSettings | null
  /** What was found that refuses nothing, as git prints it. */
  readonly warnings: string[] = []

  constructor(workspace: Workspace, format: ObjectFormat, settings: FsckSettings | null) {
    this.#workspace = workspace
    this.#format = format
    this.#idBytes = hashBytes(format)
    this.#settings = settings
  }

  /** Looks at the object at `at` in the workspace. Throws InputError `fsck`. */
  scan(kind: Kind, at: number, size: number): void {
    if (kind === Kind.blob) return
    const workspace = this.#workspace
    if (kind === Kind.tree) {
      workspace.reserveRefs(Math.floor(size / (this.#idBytes + 8)) + 1)
      if (workspace.kernel.scanTree(at, size, this.#idBytes)) return
    } else if (kind === Kind.commit) {
      workspace.reserveRefs(Math.floor(size / (this.#idBytes * 2 + 8)) + 2)
      if (workspace.kernel.scanCommit(at, size, this.#idBytes)) return
    }
    this.#scanPrecisely(kind, workspace.bytes.slice(at, at + size))
  }

  #scanPrecisely(kind: Kind, bytes: Uint8Array): void {
    const workspace = this.#workspace
    const add = (id: Uint8Array, flags: number) => {
      workspace.reserveRefs(1)
      workspace.addRef(id, flags)
    }
    if (this.#settings !== null) {
      const warn = (finding: string) => {
        if (this.warnings.length < mostWarnings) this.warnings.push(finding)
      }
      checkObject(kind, bytes, this.#format, this.#settings, warn, [], (role, oid) => add(oid, RefFlag.blob | roleFlags[role]))
    }
    references(kind, bytes, this.#format, add)
  }
}
