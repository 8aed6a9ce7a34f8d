// What a repository is imported from, or kept in step with: a folder or a URL behind one interface.
import { InputError } from '../../base/index.ts'
import type { ObjectFormat, ObjectId } from '../format/object-id.ts'
import { refusalOfPushTo } from '../format/refname.ts'
import type { RefSnapshot } from '../refs/index.ts'
import type { StagedPack } from '../receive-pack/index.ts'

export interface OriginRef {
  readonly name: string
  readonly oid: ObjectId
}

/** The refs of an origin at one moment. */
export interface OriginState {
  readonly format: ObjectFormat
  /** A full ref name: what HEAD points to (it may be unborn). Null: HEAD is detached, and no branch is where it is. */
  readonly head: string | null
  /** Refs that can be kept here, in git's order. */
  readonly refs: readonly OriginRef[]
  /** Names that can't be kept here (`refs/stash`), and so don't come. */
  readonly leftOut: readonly string[]
}

/** How far it is; `total` 0: unknown. `text`: a line of the remote's own. */
export interface ImportProgress {
  (phase: ImportPhase, done: number, total: number, text?: string): void
}
export type ImportPhase = 'remote' | 'receiving' | 'resolving' | 'checking' | 'walking' | 'verifying bytes' | 'verifying objects'

export interface TransferContext {
  readonly state: OriginState
  /** True for an object that need not come, nor anything that it reaches. */
  isStored(oid: Uint8Array): boolean
  /** The repository's refs as they are. */
  readonly refs: RefSnapshot['refs']
  readonly progress: ImportProgress
  readonly signal: AbortSignal
  /** Takes a pack in; InputError when it isn't good. */
  take(pack: AsyncIterable<Uint8Array>): Promise<StagedPack>
}

export interface Transferred {
  readonly staged: StagedPack
  /** Objects of the origin that nothing refers to, and that were left behind; null: it can't be told. */
  readonly leftOut: number | null
}

export interface Origin {
  /** For people; without secrets. */
  readonly label: string
  /** Reads the refs anew. InputError when the origin can't be imported at all; UnavailableError when it doesn't answer. */
  readState(): Promise<OriginState>
  /** Brings everything that the state's refs reach and that isn't stored. */
  transfer(context: TransferContext): Promise<Transferred>
  /** True when the origin has the object. Null where it can't be asked one by one. */
  readonly has: ((oid: Uint8Array) => boolean) | null
  close(): void
}

/**
 * Sorts out what can't be kept. Names are as in git's receive-pack: `refs/x/y` at least; HEAD's among them, which an origin may say is anything:
 * an object's id would make this repository's HEAD point to that.
 */
export function keepable(head: string | null, refs: readonly OriginRef[]): Pick<OriginState, 'head' | 'refs' | 'leftOut'> {
  return {
    head: head !== null && refusalOfPushTo(head) === null ? head : null,
    refs: refs.filter((ref) => refusalOfPushTo(ref.name) === null),
    leftOut: refs.filter((ref) => refusalOfPushTo(ref.name) !== null).map((ref) => ref.name),
  }
}

/** The branch that a detached HEAD stands for: one that is where HEAD is, main or master first. */
export function branchAt(oid: ObjectId, refs: readonly OriginRef[]): string | null {
  const branches = refs.filter((ref) => ref.oid === oid && ref.name.startsWith('refs/heads/')).map((ref) => ref.name)
  return ['refs/heads/main', 'refs/heads/master'].find((name) => branches.includes(name)) ?? branches[0] ?? null
}

export function refuseImport(code: string, message: string, cause?: unknown): InputError {
  return new InputError(code, message, { cause })
}
