// Makes a repository's refs what its origin's are: what is missing of the objects comes first, as one pack through the ordinary intake, then
// all refs and HEAD move in one transaction. Imports and pulling mirrors both do this.
import { type AccountId, findQuota, type OwnerQuota } from '../../access/index.ts'
import { concatBytes, fromHex, hex, InputError, MessageStream, type Places, type WorkerPool } from '../../base/index.ts'
import { type Database, isCommitUnknown } from '../../db/index.ts'
import { Kind, kindName, type ObjectId } from '../format/object-id.ts'
import { pushFsck } from '../index-pack/index.ts'
import type { NetworkPacks, PackStore } from '../odb/index.ts'
import type { PackIntake, StagedPack } from '../receive-pack/index.ts'
import { moveRefs, type RefChange, type RefSnapshot, type RefStore } from '../refs/index.ts'
import { type ImportProgress, refuseImport, type Origin, type OriginState } from './origin.ts'
import type { VerifyCounts, VerifyJob, VerifyMessage } from './verify-job.ts'

/** What imports and mirrors stand on. */
export interface ImportParts {
  readonly db: Database
  readonly packs: PackStore
  readonly refs: RefStore
  readonly intake: PackIntake
  readonly workers: WorkerPool
  /** Bytes of memory for packs that are being made. */
  readonly fetchMemory: Places
}

export interface BringOptions {
  readonly repositoryId: number
  readonly networkId: string
  readonly origin: Origin
  readonly state: OriginState
  /** Refs outside of this are left as they are. */
  readonly isMeant: (name: string) => boolean
  readonly reason: 'import' | 'mirror'
  /** False: objects are only read for what they refer to, not judged by fsck. */
  readonly isStrict: boolean
  readonly progress: ImportProgress
  readonly signal: AbortSignal
}

export interface Brought {
  readonly created: number
  readonly updated: number
  readonly deleted: number
  /** Objects in the pack that was stored; 0: none was needed. */
  readonly objects: number
  readonly packBytes: number
  readonly leftOut: number | null
}

const noChange: Brought = { created: 0, updated: 0, deleted: 0, objects: 0, packBytes: 0, leftOut: null }

/**
 * @throws InputError when origin or pack aren't good, or a ref can't be moved (somebody else moved it meanwhile: try again); UnavailableError
 * when the origin, the database or the bucket doesn't answer; the signal's reason. Nothing is changed then.
 */
export async function bring(parts: ImportParts, options: BringOptions): Promise<Brought> {
  const { origin, state, progress, signal, repositoryId, networkId } = options
  const refs = await parts.refs.read(repositoryId)
  const packs = await parts.packs.open(networkId)
  if (packs.handle.format !== state.format) {
    throw refuseImport('import-format', `the origin names objects by ${state.format}, the repository by ${packs.handle.format}`)
  }
  const changes = changesTo(refs, state, options.isMeant)
  const head = state.head !== null && options.isMeant(state.head) ? state.head : refs.head
  if (changes.length === 0 && head === refs.head) return noChange
  const tips = [...new Set(changes.flatMap((change) => (change.newOid === null ? [] : [change.newOid])))]
  let staged: StagedPack | null = null
  let leftOut: number | null = null
  try {
    if (tips.length > 0) {
      const known = knownObjects(packs, refs)
      const questions = {
        packs: packs.handle,
        networkId,
        tips,
        fsck: options.isStrict ? pushFsck : null,
        buildOn: known.buildOn,
        shallows: [],
        ancestry: [],
        maxInputBytes: 0,
        quota: await quotaFor(parts.db, repositoryId),
        stopsEarly: true,
      }
      const take = (pack: AsyncIterable<Uint8Array>) => parts.intake.take(questions, pack, progress)
      const transferred = await origin.transfer({ state, isStored: known.isStored, refs: refs.refs, progress, signal, take })
      staged = transferred.staged
      leftOut = transferred.leftOut
    }
    const peeled = peeledTips(changes, staged?.facts.tips ?? [])
    const pack = staged?.pack.objectCount ? staged.pack : null
    if (pack === null) await staged?.discard()
    const moved = changes.map((change) => ({ ...change, peeled: change.newOid === null ? null : (peeled.get(change.newOid) ?? null) }))
    const said: string[] = []
    const outcomes = await moveRefs(parts.db, parts.refs, {
      repositoryId,
      networkId,
      generation: packs.generation,
      by: { kind: 'operator' },
      changes: moved,
      atomic: true,
      pack,
      head,
      mayDeleteHead: true,
      reason: options.reason,
      explain: (sentence) => said.push(sentence),
    })
    const refusal = [...outcomes].find(([, outcome]) => outcome !== null)
    if (refusal !== undefined) throw refuseImport('import-ref', said[0] ?? `${refusal[0]}: ${refusal[1]}`)
    return { ...countChanges(changes), objects: pack?.objectCount ?? 0, packBytes: pack?.packBytes ?? 0, leftOut }
  } catch (error) {
    if (!isCommitUnknown(error)) await staged?.discard()
    throw error
  }
}

/** What its owner may store yet; null: he has no limit, or it is gone. */
async function quotaFor(db: Database, repositoryId: number): Promise<OwnerQuota | null> {
  const row = await db.queries.selectFrom('repository').select('owner_id').where('id', '=', repositoryId).executeTakeFirst()
  return row === undefined ? null : findQuota(db, row.owner_id as AccountId)
}

/**
 * What the origin need not send. In a network of several repositories that is only what this one's own refs point to (and so reach): a
 * server elsewhere could name a sibling's private commit, and by it make that one's history part of this repository.
 */
function knownObjects({ set, isShared }: NetworkPacks, { refs }: RefSnapshot) {
  if (!isShared) return { isStored: (oid: Uint8Array) => set.find(oid, 0) >= 0, buildOn: null }
  const own = new Set<string>(refs.map((ref) => ref.oid))
  const tips = concatBytes([...own].map((oid) => fromHex(oid)))
  return { isStored: (oid: Uint8Array) => own.has(hex(oid)), buildOn: { tips, likely: new Uint8Array(0) } }
}

function changesTo(refs: RefSnapshot, state: OriginState, isMeant: (name: string) => boolean): RefChange[] {
  const wanted = new Map(state.refs.filter((ref) => isMeant(ref.name)).map((ref) => [ref.name, ref.oid]))
  const changes: RefChange[] = []
  for (const [name, newOid] of wanted) {
    const oldOid = refs.byName.get(name)?.oid ?? null
    if (oldOid !== newOid) changes.push({ name, oldOid, newOid, peeled: null })
  }
  for (const { name, oid } of refs.refs) {
    if (isMeant(name) && !wanted.has(name)) changes.push({ name, oldOid: oid, newOid: null, peeled: null })
  }
  return changes
}

/** What annotated tags finally point to. InputError for a ref whose object did not come, or is no commit though the ref is a branch. */
function peeledTips(changes: readonly RefChange[], tips: StagedPack['facts']['tips']): Map<ObjectId, ObjectId | null> {
  const found = new Map(tips.map((tip) => [tip.oid, tip]))
  for (const { name, newOid } of changes) {
    if (newOid === null) continue
    const kind = found.get(newOid)?.kind ?? 0
    if (kind === 0) throw refuseImport('import-missing', `${name} points to ${newOid}, which the origin does not have`)
    if (name.startsWith('refs/heads/') && kind !== Kind.commit) {
      throw refuseImport('import-ref', `${name} points to ${newOid}, a ${kindName(kind)}: a branch must point to a commit`)
    }
  }
  return new Map(tips.map((tip) => [tip.oid, tip.peeled]))
}

function countChanges(changes: readonly RefChange[]) {
  return {
    created: changes.filter((change) => change.oldOid === null).length,
    updated: changes.filter((change) => change.oldOid !== null && change.newOid !== null).length,
    deleted: changes.filter((change) => change.newOid === null).length,
  }
}

/** True when the repository has exactly the origin's refs (as far as they are meant) and its HEAD. */
export function isInStep(refs: RefSnapshot, state: OriginState, isMeant: (name: string) => boolean = () => true): boolean {
  const head = state.head !== null && isMeant(state.head) ? state.head : refs.head
  return refs.head === head && changesTo(refs, state, isMeant).length === 0
}

/**
 * Reads back and checks everything that the repository's refs reach, and asks the origin for each id.
 * @throws CorruptError for what is wrong in what is stored; InputError `import-verify` for an object that the origin doesn't know
 */
export async function verifyStored(
  parts: ImportParts,
  options: Pick<BringOptions, 'networkId' | 'repositoryId' | 'origin' | 'progress' | 'signal'>,
): Promise<VerifyCounts> {
  const refs = await parts.refs.read(options.repositoryId)
  const { handle } = await parts.packs.open(options.networkId)
  const tips = concatBytes([...new Set(refs.refs.map((ref) => ref.oid))].map((oid) => fromHex(oid)))
  const h = handle.format === 'sha1' ? 20 : 32
  return parts.workers.run('verify', { packs: handle, tips } satisfies VerifyJob, [], async (port) => {
    let counts: VerifyCounts | null = null
    for await (const item of new MessageStream<VerifyMessage>(port).all()) {
      options.signal.throwIfAborted()
      if ('bytes' in item) compareToOrigin(item.bytes, h, options.origin)
      else if (item.message.type === 'progress') options.progress(item.message.phase, item.message.done, item.message.total)
      else counts = item.message.counts
    }
    if (counts === null) throw new Error('a verification ended without a result')
    return counts
  })
}

function compareToOrigin(ids: Uint8Array, h: number, origin: Origin): void {
  if (origin.has === null) return
  for (let at = 0; at < ids.length; at += h) {
    const id = ids.subarray(at, at + h)
    if (!origin.has(id))
      throw new InputError('import-verify', `object ${Buffer.from(id).toString('hex')} is stored, but the origin has none of that id`)
  }
}
