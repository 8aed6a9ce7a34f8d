// The main thread's half of taking a pack in: feeds a worker, uploads what it spools, and stages the stored value until a transaction
// makes it visible. The order is always: intent row → bytes in the bucket → transaction; what dies on the way is found by its intent row.
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { MessagePort } from 'node:worker_threads'
import { type OwnerQuota, quotaExceeded } from '../../access/index.ts'
import {
  type Clock,
  InputError,
  MessageStream,
  type Randomness,
  remakeSpool,
  SharedPlaces,
  withPauses,
  type WorkerPool,
} from '../../base/index.ts'
import { type Bucket, type FileUpload, type Key, packKey } from '../../bucket/index.ts'
import type { Database } from '../../db/index.ts'
import type { IndexLimits } from '../index-pack/index.ts'
import type { NewPack } from '../refs/index.ts'
import type { ReceiveJob, ReceiveMessage, ReceiveResult } from './receive-job.ts'

export interface PackIntakeParts {
  readonly db: Database
  readonly bucket: Bucket
  readonly workers: WorkerPool
  readonly clock: Clock
  readonly randomness: Randomness
  readonly limits: IndexLimits
  readonly tailBytes: number
  /** Threads that resolve the deltas of one large pack. */
  readonly threads: number
  /** Packs larger than a tail that are received at once; others wait. */
  readonly concurrentPushes: number
  /** How long an upload may take before its key counts as an orphan. */
  readonly intentLeaseMs: number
}

/** What a pack without objects has, which stores nothing. */
const emptyPackBytes = 44

/** What a pack is asked when it is taken in. */
export type PackQuestions = Pick<ReceiveJob, 'packs' | 'tips' | 'fsck' | 'buildOn' | 'shallows' | 'cutOff' | 'ancestry' | 'staysOpen'> & {
  /** Whose the pack will be. */
  readonly networkId: string
  /** receive.maxInputSize; 0: the server's own limit alone. */
  readonly maxInputBytes: number
  /** For whom a large one takes a place; the server's own work when left out. */
  readonly caller?: string
  /** What the owner may store: the pack is refused as soon as it is larger than what is left. Null: he has no limit. */
  readonly quota?: OwnerQuota | null
  /** The sender need not be heard out when the pack has been refused: it is a server of somebody's, which may go on for ever. */
  readonly stopsEarly?: boolean
  /** Called when the pack takes one of the places that there are for large ones. */
  readonly onPlace?: () => void
}

export type PackFacts = Pick<ReceiveResult, 'tips' | 'warnings' | 'ancestry' | 'cutOff'>

/** A pack whose bytes are stored and durable, visible to nobody yet. */
export interface StagedPack {
  readonly pack: NewPack
  readonly facts: PackFacts
  /** Removes it again: for when no ref needs it after all. */
  discard(): Promise<void>
}

export interface IntakeProgress {
  (phase: 'receiving' | 'resolving' | 'checking', done: number, total: number): void
}

export class PackIntake {
  readonly #parts: PackIntakeParts
  readonly #places: SharedPlaces

  constructor(parts: PackIntakeParts) {
    this.#parts = parts
    this.#places = new SharedPlaces(parts.concurrentPushes)
  }

  /**
   * Takes one pack in.
   * @throws InputError when the pack is not to be had (each reason in git's words); nothing is left behind then
   */
  async take(
    { caller = 'the server', maxInputBytes, networkId, onPlace, quota = null, stopsEarly = false, ...questions }: PackQuestions,
    body: AsyncIterable<Uint8Array>,
    progress: IntakeProgress,
  ): Promise<StagedPack> {
    const { workers, randomness, clock, bucket, tailBytes, threads } = this.#parts
    const id = randomness.uuid()
    const scratchFolder = bucket.spoolFolder
    const otherBytes = Math.min(this.#parts.limits.packBytes, maxInputBytes || Number.POSITIVE_INFINITY)
    const packBytes = Math.min(otherBytes, (quota?.leftBytes ?? otherBytes) + emptyPackBytes)
    const limits = { ...this.#parts.limits, packBytes }
    const network = { id: networkId, storedAtMs: clock.now() }
    const spoolPath = join(scratchFolder, `${id}.pack`)
    const job: ReceiveJob = { ...questions, network, limits, tailBytes, spoolPath, scratchFolder, threads }
    const upload = new LazyUpload(this.#parts, packKey(id), job.spoolPath)
    const place: Place = onPlace === undefined ? {} : { onTaken: onPlace }
    if (!existsSync(scratchFolder)) await remakeSpool(scratchFolder)
    try {
      const result = await workers.run('receive', job, [], (port) =>
        converse(port, this.#admitted(body, place, caller), upload, progress, stopsEarly, questions.staysOpen === true),
      )
      if (result.value !== null) return { pack: tail(result), facts: result, discard: async () => {} }
      await upload.complete(result.valueBytes)
      return {
        pack: { key: upload.key, tail: null, valueBytes: result.valueBytes, packBytes: result.packBytes, objectCount: result.objectCount },
        facts: result,
        discard: () => upload.discard(),
      }
    } catch (error) {
      await upload.abort()
      const isQuota = quota !== null && packBytes < otherBytes && error instanceof InputError && error.code === 'pack-too-large'
      throw isQuota ? quotaExceeded(quota) : error
    } finally {
      place.free?.()
    }
  }

  /** The body, which waits for a place as soon as it is larger than a tail: each large pack has memory of its own in a worker. */
  async *#admitted(body: AsyncIterable<Uint8Array>, place: Place, caller: string): AsyncGenerator<Uint8Array, void, undefined> {
    let sizeBytes = 0
    for await (const bytes of body) {
      sizeBytes += bytes.length
      if (sizeBytes > this.#parts.tailBytes && place.free === undefined) {
        place.free = await this.#places.take(caller)
        place.onTaken?.()
      }
      yield bytes
    }
  }
}

/** Given back when the push ends, not when its bytes do. */
interface Place {
  free?: () => void
  readonly onTaken?: () => void
}

function tail(result: ReceiveResult): NewPack {
  return { key: null, tail: result.value, valueBytes: result.valueBytes, packBytes: result.packBytes, objectCount: result.objectCount }
}

async function converse(
  port: MessagePort,
  body: AsyncIterable<Uint8Array>,
  upload: LazyUpload,
  progress: IntakeProgress,
  stopsEarly: boolean,
  staysOpen: boolean,
): Promise<ReceiveResult> {
  const worker = new MessageStream<ReceiveMessage>(port)
  const answered = listen(worker, upload, progress)
  const feeding = staysOpen ? feedOpen(worker, body, answered) : feed(worker, body, stopsEarly)
  const [fed, result] = await Promise.allSettled([feeding, answered])
  if (fed.status === 'rejected') throw fed.reason // the client's connection broke: what the worker says of it is only an echo
  if (result.status === 'rejected') throw result.reason
  return result.value
}

/**
 * Passes the body on. When the worker has refused the pack, the rest is read and dropped, unless it `stopsEarly`: a client reads no answer
 * before it has sent all.
 */
async function feed(worker: MessageStream<ReceiveMessage>, body: AsyncIterable<Uint8Array>, stopsEarly: boolean): Promise<void> {
  try {
    for await (const bytes of body) {
      if (!worker.closed) await worker.sendBytes(bytes)
      else if (stopsEarly) return
    }
  } catch (error) {
    worker.fail(error)
    throw error
  }
  worker.endBytes()
}

/** How often it is looked whether there is an answer; and for how long nothing came of a refused pack when its sender has sent all. */
const silence = { lookMs: 20, refusedMs: 1000 }

/** The same of a body that may not end before its sender has an answer: the worker finds the pack's end, and answers. */
async function feedOpen(worker: MessageStream<ReceiveMessage>, body: AsyncIterable<Uint8Array>, answered: Promise<unknown>): Promise<void> {
  let isAnswered = false
  let silentMs = 0
  answered.then(
    () => {
      isAnswered = true
    },
    () => {},
  )
  try {
    for await (const bytes of withPauses(body, silence.lookMs)) {
      silentMs = bytes === null ? silentMs + silence.lookMs : 0
      if (bytes === null && (isAnswered || (worker.closed && silentMs >= silence.refusedMs))) return
      if (bytes !== null && !worker.closed) await worker.sendBytes(bytes)
    }
  } catch (error) {
    worker.fail(error)
    throw error
  }
  worker.endBytes()
}

async function listen(worker: MessageStream<ReceiveMessage>, upload: LazyUpload, progress: IntakeProgress): Promise<ReceiveResult> {
  for (;;) {
    const message = await worker.message()
    switch (message.type) {
      case 'progress':
        progress(message.phase, message.done, message.total)
        break
      case 'advance':
        await upload.advance(message.sizeBytes)
        break
      case 'result':
        return message.result
    }
  }
}

/** An upload that begins, intent row first, when there is something to send. */
class LazyUpload {
  readonly key: Key
  readonly #parts: PackIntakeParts
  readonly #path: string
  #upload: FileUpload | undefined
  /** A request that writes the key may be carried out later than all that follows it: one that nobody answered, or that was made again. */
  #mayComeLater = false

  constructor(parts: PackIntakeParts, key: Key, path: string) {
    this.#parts = parts
    this.key = key
    this.#path = path
  }

  async advance(sizeBytes: number): Promise<void> {
    const upload = this.#upload ?? (await this.#begin())
    upload.advance(sizeBytes)
  }

  async complete(sizeBytes: number): Promise<void> {
    const upload = this.#upload ?? (await this.#begin())
    const { requests } = this.#parts.bucket
    const { retries } = requests
    this.#mayComeLater = true
    await upload.complete(sizeBytes)
    this.#mayComeLater = requests.retries !== retries
  }

  async abort(): Promise<void> {
    if (!this.#upload) return rm(this.#path, { force: true })
    await this.#upload.abort()
    await this.discard()
  }

  /** The key is not needed: it goes now if the bucket answers, else by the sweeper, who looks again where it may come later. */
  async discard(): Promise<void> {
    const { db, bucket } = this.#parts
    try {
      await bucket.delete(this.key)
      if (this.#mayComeLater) return
      await db.queries.deleteFrom('upload_intent').where('key', '=', this.key).execute()
    } catch {
      // the intent row stays, and the sweeper deletes the key when the lease is over
    }
  }

  async #begin(): Promise<FileUpload> {
    const { db, bucket, clock, intentLeaseMs } = this.#parts
    const expires_at = new Date(clock.now() + intentLeaseMs)
    await db.queries.insertInto('upload_intent').values({ key: this.key, expires_at }).execute()
    this.#upload = bucket.uploadFile(this.key, this.#path)
    return this.#upload
  }
}
