// Imports from a repository on disk. First everything that its packs and loose objects hold is offered as one pack. Where that is refused —
// what nothing refers to any more may lack its own parts, or be too old for today's checks — the refs are walked, and only what they reach is.
import { hex, InputError } from '../../base/index.ts'
import { type DiskObjects, type DiskRepository, openDiskRepository } from '../disk/index.ts'
import type { ObjectId } from '../format/object-id.ts'
import { type CombinedPack, combinedPack, type ObjectChoice, planCombinedPack } from './combined-pack.ts'
import { walkDisk } from './disk-walk.ts'
import { branchAt, keepable, refuseImport, type Origin, type OriginState, type TransferContext, type Transferred } from './origin.ts'

const mostListed = 10

export class DiskOrigin implements Origin {
  readonly label: string
  readonly #repository: DiskRepository
  #objects: DiskObjects | null = null

  /** InputErrors of `openDiskRepository`. */
  constructor(path: string) {
    this.#repository = openDiskRepository(path)
    this.label = path
  }

  async readState(): Promise<OriginState> {
    const { folder, format, shallow } = this.#repository
    if (shallow !== null) {
      throw refuseImport(
        'import-shallow',
        `${folder}: the history is cut off (a shallow clone). Import the repository that it was cloned from, or run 'git fetch --unshallow' in it first`,
      )
    }
    const { head, refs, broken } = this.#repository.readRefs()
    if (broken.length > 0) {
      const list = broken.slice(0, mostListed).map((ref) => `${ref.path} ${ref.reason}`)
      throw refuseImport('import-broken-refs', `${broken.length} broken ref(s); mend or delete them first: ${list.join('; ')}`)
    }
    return { format, ...keepable('ref' in head ? head.ref : branchAt(head.oid, refs), refs) }
  }

  readonly has = (oid: Uint8Array): boolean => this.#open().has(hex(oid) as ObjectId)

  async transfer(context: TransferContext): Promise<Transferred> {
    const objects = this.#open()
    const isStored = (oid: Uint8Array) => context.isStored(oid)
    const all = planCombinedPack(objects, { isStored, isChosen: outsideOfCruft(objects) })
    try {
      return await this.#offer(objects, all, context)
    } catch (error) {
      if (!(error instanceof InputError) || error.code.startsWith('disk-')) throw error
      return await this.#offerReached(objects, { isStored }, all, context, error)
    }
  }

  close(): void {
    this.#objects?.close()
    this.#objects = null
  }

  async #offer(objects: DiskObjects, plan: CombinedPack, { take, signal }: TransferContext): Promise<Transferred> {
    return { staged: await take(combinedPack(objects, plan, signal)), leftOut: plan.leftOut }
  }

  /** @param refusal of everything there is: it stands when the refs reach all of that */
  async #offerReached(
    objects: DiskObjects,
    { isStored }: Pick<ObjectChoice, 'isStored'>,
    all: CombinedPack,
    context: TransferContext,
    refusal: InputError,
  ): Promise<Transferred> {
    const tips = context.state.refs.map((ref) => ref.oid)
    const { progress, signal } = context
    const { folder, isPartial } = this.#repository
    const walking = walkDisk(objects, { tips, folder, isKnown: isStored, progress: (done) => progress('walking', done, 0), signal })
    const reached = await walking.catch((error: unknown) => {
      if (!isPartial || !(error instanceof InputError) || !/is missing/.test(error.message)) throw error
      throw refuseImport(
        'import-partial',
        `${folder}: objects were left out when it was cloned (a partial clone). Import the repository that it was cloned from`,
        error,
      )
    })
    const plan = planCombinedPack(objects, { isStored, isChosen: (oid) => reached.has(oid) || isStored(oid) })
    if (plan.objectCount === all.objectCount) {
      nameDamage(objects)
      throw refusal
    }
    return await this.#offer(objects, plan, context)
  }

  #open(): DiskObjects {
    return (this.#objects ??= this.#repository.openObjects({ makesIndexes: true }))
  }
}

/** The intake says what is wrong with a pack, not in which file: entries that don't match their index do. InputError `disk-pack`. */
function nameDamage(objects: DiskObjects): void {
  for (const pack of objects.packs) for (let rank = 0; rank < pack.idx.count; rank++) pack.checkCrc(rank, pack.entry(rank))
}

/** What lies in a cruft pack alone was unreachable when that was made: it is offered only when a walk shows that it is needed after all. */
function outsideOfCruft(objects: DiskObjects): (oid: Uint8Array) => boolean {
  const sound = objects.packs.filter((pack) => !pack.isCruft)
  if (sound.length === objects.packs.length) return () => true
  const cruft = objects.packs.filter((pack) => pack.isCruft)
  return (oid) => sound.some((pack) => pack.idx.find(oid, 0) >= 0) || !cruft.some((pack) => pack.idx.find(oid, 0) >= 0)
}
