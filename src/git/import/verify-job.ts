// Verification, in a worker: every stored byte of the network's packs is read back and hashed, then everything that the refs reach is walked.
// What a pack's own trailer is right for is, byte for byte, what the intake took apart, hashed object by object, and found connected; the
// walk shows that the ids which the refs name lead to all that they should, through the indexes that will serve it.
import { createHash } from 'node:crypto'
import type { MessagePort } from 'node:worker_threads'
import { answerJob, CorruptError, equalBytes, hex, InputError } from '../../base/index.ts'
import { hashBytes, Kind, kindName } from '../format/object-id.ts'
import { type Inflater, ObjectCache, ObjectReader, type PackSet, type PackSetHandle, type PackSets, type StoredPack } from '../odb/index.ts'
import { objectSteps, Pace } from '../upload-pack/pace.ts'
import { eachLink, RecentIds } from './links.ts'

export interface VerifyJob {
  readonly packs: PackSetHandle
  /** Packed ids of what the refs point to. */
  readonly tips: Uint8Array
}

export interface VerifyCounts {
  readonly objects: number
  readonly commits: number
  readonly trees: number
  readonly blobs: number
  readonly tags: number
  readonly packBytes: number
}

/** Progress, then the ids of all objects reached (as bytes), then the counts. */
export type VerifyMessage =
  | { readonly type: 'progress'; readonly phase: 'verifying bytes' | 'verifying objects'; readonly done: number; readonly total: number }
  | { readonly type: 'counts'; readonly counts: VerifyCounts }

const cacheBytes = 64 << 20
const progressBytes = 4 << 20
const idsAtOnce = 16_384

/** In a worker. What is found wrong is CorruptError. */
export async function verifyJob(job: VerifyJob, port: MessagePort, sets: PackSets, inflater: Inflater): Promise<void> {
  await answerJob(port, async (main, signal) => {
    const tell = (message: VerifyMessage) => main.send(message)
    const set = sets.open(job.packs)
    const pace = new Pace(signal)
    const packBytes = await verifyBytes(set, pace, tell)
    const kinds = await new Walk(set, new ObjectReader(set, new ObjectCache(cacheBytes), inflater), pace).run(job.tips, tell, (ids) =>
      main.sendBytes(ids, true),
    )
    const [, commits = 0, trees = 0, blobs = 0, tags = 0] = kinds
    tell({ type: 'counts', counts: { objects: commits + trees + blobs + tags, commits, trees, blobs, tags, packBytes } })
    main.endBytes()
  })
}

async function verifyBytes(set: PackSet, pace: Pace, tell: (message: VerifyMessage) => void): Promise<number> {
  const total = set.packs.reduce((sum, pack) => sum + pack.index.packBytes, 0)
  let done = 0
  let told = 0
  for (const pack of set.packs) {
    await verifyPack(pack, set, pace, (count) => {
      done += count
      if (done - told < progressBytes) return
      told = done
      tell({ type: 'progress', phase: 'verifying bytes', done, total })
    })
  }
  return total
}

async function verifyPack(pack: StoredPack, set: PackSet, pace: Pace, progress: (count: number) => void): Promise<void> {
  const h = hashBytes(set.format)
  const end = pack.index.packBytes - h
  const hash = createHash(set.format)
  for await (const bytes of pack.stream(0, end)) {
    hash.update(bytes)
    progress(bytes.length)
    const turn = pace.turn(bytes.length / 64)
    if (turn) await turn
  }
  if (!equalBytes(hash.digest(), await pack.read(end, h)))
    throw new CorruptError('pack', `stored pack ${pack.id} does not match its own hash`)
}

/** Everything that the tips reach, each once. */
class Walk {
  readonly #set: PackSet
  readonly #reader: ObjectReader
  readonly #pace: Pace
  readonly #seen: Uint8Array
  readonly #recent: RecentIds
  readonly #stack: number[] = []
  readonly #counts = [0, 0, 0, 0, 0]
  #done = 0
  #ids: number[] = []

  constructor(set: PackSet, reader: ObjectReader, pace: Pace) {
    this.#set = set
    this.#reader = reader
    this.#pace = pace
    this.#seen = new Uint8Array(set.size)
    this.#recent = new RecentIds(set.format)
  }

  /** How many of each kind. */
  async run(
    tips: Uint8Array,
    tell: (message: VerifyMessage) => void,
    send: (ids: Uint8Array) => Promise<void>,
  ): Promise<readonly number[]> {
    const h = hashBytes(this.#set.format)
    for (let at = 0; at < tips.length; at += h) {
      this.#meet(tips, at, null, -1)
      for (let number = this.#stack.pop(); number !== undefined; number = this.#stack.pop()) {
        const read = this.#reader.read(number)
        const bytes = read instanceof Promise ? await read : read
        this.#follow(number, bytes)
        const turn = this.#pace.turn(objectSteps)
        if (turn) await turn
        if (this.#ids.length >= idsAtOnce) {
          await send(this.#takeIds())
          tell({ type: 'progress', phase: 'verifying objects', done: this.#done, total: this.#set.size })
        }
      }
    }
    if (this.#ids.length > 0) await send(this.#takeIds())
    return this.#counts
  }

  #follow(number: number, bytes: Uint8Array): void {
    try {
      eachLink(this.#set.kind(number), bytes, this.#set.format, (links, at, kind) => {
        if (!this.#recent.has(links, at, kind)) this.#meet(links, at, kind, number)
      })
    } catch (cause) {
      if (!(cause instanceof InputError)) throw cause
      throw new CorruptError('object', `object ${hex(this.#set.oid(number))} cannot be read`, { cause })
    }
  }

  /** @param expected null: any kind will do */
  #meet(ids: Uint8Array, at: number, expected: Kind | null, from: number): void {
    const number = this.#set.find(ids, at)
    const id = () => hex(ids.subarray(at, at + hashBytes(this.#set.format)))
    if (number < 0) {
      const referrer = from < 0 ? 'a ref' : `object ${hex(this.#set.oid(from))}`
      throw new CorruptError('object', `object ${id()} is not stored; ${referrer} refers to it`)
    }
    const kind = this.#set.kind(number)
    if (expected !== null && expected !== kind) {
      throw new CorruptError('object', `object ${id()} is stored as a ${kindName(kind)}, where a ${kindName(expected)} is referred to`)
    }
    this.#recent.add(ids, at, kind)
    if (this.#seen[number] === 1) return
    this.#seen[number] = 1
    this.#counts[kind] = (this.#counts[kind] ?? 0) + 1
    this.#done++
    this.#ids.push(number)
    if (kind !== Kind.blob) this.#stack.push(number)
  }

  #takeIds(): Uint8Array {
    const h = hashBytes(this.#set.format)
    const ids = new Uint8Array(this.#ids.length * h)
    for (const [place, number] of this.#ids.entries()) ids.set(this.#set.oid(number), place * h)
    this.#ids = []
    return ids
  }
}
