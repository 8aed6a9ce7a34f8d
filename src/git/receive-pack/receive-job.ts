// The worker's half of a push: takes the pack's bytes, indexes and checks them, and leaves the stored value (pack, index, trailer) in
// memory (small) or in the spool file (large). Says for each new tip of a ref what it is.
import type { MessagePort } from 'node:worker_threads'
import { answerJob, concatBytes, fromHex, InputError, type MessageStream, systemRandomness } from '../../base/index.ts'
import { hashBytes, Kind, type ObjectId } from '../format/object-id.ts'
import { encodePackIndex, indexStart, PackIndex, type PackNetwork } from '../format/stored-pack.ts'
import { parseTagTarget } from '../format/index.ts'
import { deepestBase, type ExistingObjects, type FsckSettings, GrowingSpool, indexPack, type IndexLimits } from '../index-pack/index.ts'
import { type Inflater, ObjectCache, ObjectReader, PackSet, type PackSetHandle, type PackSets, tailBytes } from '../odb/index.ts'
import { neededExternals } from '../implied-externals.ts'
import { Pace } from '../upload-pack/pace.ts'
import type { FetchRepository, PacedRepository } from '../upload-pack/repository.ts'
import { BuildableObjects } from './buildable.ts'
import { type Ancestry, type AncestryQuestion, answerAncestry, type CutOff, findCutOff, type Tip } from './push-facts.ts'

/** What the main thread asks for; the pack's bytes follow on the same port. */
export interface ReceiveJob {
  readonly packs: PackSetHandle
  /** Whose the pack will be, and the moment. */
  readonly network: PackNetwork
  readonly limits: IndexLimits
  /** A stored value up to this size stays in memory and comes back with the result. */
  readonly tailBytes: number
  readonly spoolPath: string
  /** For temporary files of objects too large for memory. */
  readonly scratchFolder: string
  /** Threads that resolve deltas. */
  readonly threads: number
  /** New values of refs. */
  readonly tips: readonly ObjectId[]
  /** Null: objects are only read for what they refer to. */
  readonly fsck: FsckSettings | null
  /** In a network of several repositories: what the push may build on (BuildableObjects). Null: all that is stored. */
  readonly buildOn: { readonly tips: Uint8Array; readonly likely: Uint8Array } | null
  /** Commits that the pusher has without their parents. */
  readonly shallows: readonly ObjectId[]
  /** Commits whose parents the repository itself doesn't have. */
  readonly cutOff?: readonly ObjectId[]
  readonly ancestry: readonly AncestryQuestion[]
  /** The bytes may not end with the pack (IndexOptions). */
  readonly staysOpen?: boolean
}

/** What comes back: progress while it goes on, then one result. */
export type ReceiveMessage =
  | { readonly type: 'progress'; readonly phase: 'receiving' | 'resolving' | 'checking'; readonly done: number; readonly total: number }
  /** The spool file's bytes below that are final (but for its first bytes). */
  | { readonly type: 'advance'; readonly sizeBytes: number }
  | { readonly type: 'result'; readonly result: ReceiveResult }

export interface ReceiveResult {
  readonly objectCount: number
  readonly packBytes: number
  readonly valueBytes: number
  /** The stored value when it is small; null: it is in the spool file. */
  readonly value: Uint8Array | null
  readonly tips: readonly Tip[]
  /** What fsck found and let pass, as git prints it. */
  readonly warnings: readonly string[]
  readonly ancestry: readonly Ancestry[]
  readonly cutOff: CutOff
}

/** What the thread keeps, for its jobs to use. */
export interface ReceiveParts {
  readonly sets: PackSets
  readonly inflater: Inflater
  /** For questions about history. */
  readonly history: (packs: PackSetHandle, cutOff?: readonly ObjectId[]) => FetchRepository
}

export async function receiveJob(job: ReceiveJob, port: MessagePort, parts: ReceiveParts): Promise<void> {
  await answerJob(port, async (main, signal) => {
    const spool = new GrowingSpool(job.spoolPath, job.tailBytes)
    try {
      const result = await receive(job, main, spool, parts, new Pace(signal))
      spool.close(result.value === null)
      main.send({ type: 'result', result } satisfies ReceiveMessage)
    } catch (error) {
      spool.close(false)
      throw error
    }
  })
}

async function receive(
  job: ReceiveJob,
  main: MessageStream<never>,
  spool: GrowingSpool,
  { sets, inflater, history }: ReceiveParts,
  pace: Pace,
): Promise<ReceiveResult> {
  const { format } = job.packs
  const set = sets.open(job.packs)
  const repository = (): PacedRepository => ({ ...history(job.packs, job.cutOff), pace, mayLack: false })
  const known = new Set(job.cutOff)
  const buildable = job.buildOn && new BuildableObjects(repository(), job.buildOn.tips, job.buildOn.likely)
  const stored = new ObjectReader(set, new ObjectCache(16 << 20), inflater)
  let announced = 0
  const advancing = async function* () {
    for await (const bytes of main.bytes()) {
      yield bytes
      if (spool.path !== null && spool.sizeBytes - announced >= 1 << 20) {
        announced = spool.sizeBytes
        // the end is kept back: a thin pack's trailer is written over when its bases are appended
        main.send({ type: 'advance', sizeBytes: announced - 64 } satisfies ReceiveMessage)
      }
    }
  }
  const parts = await indexPack(advancing(), {
    format,
    spool,
    scratchFolder: job.scratchFolder,
    randomness: systemRandomness,
    threads: job.threads,
    existing: buildable ?? existingObjects(set, stored),
    limits: job.limits,
    fsck: job.fsck,
    shallow: [...job.shallows, ...known],
    ...(job.staysOpen === undefined ? {} : { staysOpen: job.staysOpen }),
    progress: (phase, done, total) => main.send({ type: 'progress', phase, done, total } satisfies ReceiveMessage),
  })
  if (parts.entryCount !== parts.objectCount) throw new InputError('duplicate-object', 'the same object appears twice in the pack')
  const trailerBytes = hashBytes(format)
  const trailer = spoolReader(spool)(parts.packBytes - trailerBytes, trailerBytes)
  const whole = encodePackIndex({ ...parts, trailer, network: job.network })
  const from = indexStart(parts.packBytes) - parts.packBytes
  const packIndex = new PackIndex(whole.subarray(from), indexStart(parts.packBytes))
  const added = PackSet.empty(format).with([
    { id: 0, index: packIndex, bytes: { ...tailBytes(new Uint8Array(0)), read: spoolReader(spool) } },
  ])
  const pack = new ObjectReader(added, new ObjectCache(1 << 20), inflater, stored)
  const externals = await fewestExternals(packIndex, pack, stored, pace)
  const leavesOut = externals.length < parts.externals.length
  const index = leavesOut ? encodePackIndex({ ...parts, externals, leavesOut, trailer, network: job.network }) : whole
  const outside = job.tips.filter((oid) => added.find(fromHex(oid), 0) < 0)
  const refused = buildable ? await buildable.refused(outside) : new Set<ObjectId>()
  const found = await findTips(job.tips, [pack, stored])
  const tips = found.map((tip) => (refused.has(tip.oid) ? { oid: tip.oid, kind: 0 as const, peeled: null } : tip))
  const has = async (commits: readonly ObjectId[]) => {
    const ids = concatBytes(commits.map((oid) => fromHex(oid)))
    return [...(await (buildable ?? existingObjects(set, stored)).kinds(ids))].map((kind) => kind !== 0)
  }
  spool.append(index)
  const memory = spool.inMemory()
  return {
    objectCount: parts.objectCount,
    packBytes: parts.packBytes,
    valueBytes: spool.sizeBytes,
    value: memory === null ? null : new Uint8Array(memory),
    tips,
    warnings: parts.warnings,
    ancestry: await answerAncestry(job.ancestry, pack, repository, pace, await foreignOlds(job.ancestry, added, buildable)),
    cutOff: await findCutOff(
      job.shallows.filter((oid) => !known.has(oid)),
      tips,
      pack,
      has,
      pace,
    ),
  }
}

/**
 * Old values that the pusher only claims: the refs are compared later, and whether such a commit is stored for somebody else, or leads to
 * another, must not be told before.
 */
async function foreignOlds(
  questions: readonly AncestryQuestion[],
  pack: PackSet,
  buildable: BuildableObjects | null,
): Promise<ReadonlySet<ObjectId>> {
  const outside = questions.map(({ oldId }) => oldId).filter((oid) => pack.find(fromHex(oid), 0) < 0)
  return buildable ? await buildable.refused(outside) : new Set()
}

/** Larger packs' trees aren't looked through once more: what they refer to outside is little beside what they bring. */
const mostObjects = 20_000

/** A small push's index would be larger than its pack otherwise: each changed tree names all its other entries. */
async function fewestExternals(index: PackIndex, pack: ObjectReader, stored: ObjectReader, pace: Pace): Promise<Uint8Array> {
  const { externals } = index
  if (externals.length === 0 || index.count > mostObjects) return externals
  const read = async (oid: Uint8Array) => {
    const number = pack.set.find(oid, 0)
    return number >= 0 ? pack.read(number) : ((await stored.readById(oid))?.bytes ?? null)
  }
  return neededExternals({ index, externals, read, mostTrees: mostObjects, pace })
}

function spoolReader(spool: GrowingSpool): (offset: number, sizeBytes: number) => Uint8Array {
  return (offset, sizeBytes) => {
    const bytes = new Uint8Array(sizeBytes)
    return bytes.subarray(0, spool.read(offset, bytes))
  }
}

function existingObjects(set: PackSet, reader: ObjectReader): ExistingObjects {
  return {
    read: async (oid, limitBytes = Number.POSITIVE_INFINITY) => {
      const number = set.find(oid, 0)
      if (number < 0 || set.sizeBytes(number) > limitBytes) return null
      return { kind: set.kind(number), bytes: await reader.read(number), depth: set.depth(number, deepestBase) }
    },
    kinds: (oids) => {
      const h = hashBytes(set.format)
      const kinds = new Uint8Array(oids.length / h)
      for (let i = 0; i < kinds.length; i++) {
        const number = set.find(oids, i * h)
        kinds[i] = number < 0 ? 0 : set.kind(number)
      }
      return kinds
    },
  }
}

/** What each id is, looked up in the first reader that has it. Tags are followed to what they finally point to. */
async function findTips(oids: readonly ObjectId[], readers: readonly ObjectReader[]): Promise<Tip[]> {
  const find = (oid: ObjectId) => {
    for (const reader of readers) {
      const number = reader.set.find(fromHex(oid), 0)
      if (number >= 0) return { reader, number, kind: reader.set.kind(number) }
    }
    return null
  }
  const tips: Tip[] = []
  for (const oid of oids) {
    let found = find(oid)
    const kind = found?.kind ?? 0
    let peeled: ObjectId | null = null
    for (let depth = 0; found?.kind === Kind.tag; depth++) {
      if (depth === 100) throw new InputError('tag-depth', `object ${oid}: a tag of a tag of a tag … more than 100 deep`)
      const target = parseTagTarget(await found.reader.read(found.number), found.reader.set.format)
      peeled = target.object
      found = find(peeled)
    }
    tips.push({ oid, kind, peeled })
  }
  return tips
}
