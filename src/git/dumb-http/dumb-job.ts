// Questions of the dumb protocol across threads. A client asks thousands of them, each for one object: a worker keeps the tips by a key that
// names repository, version and scope, and asks for them only when it has others.
import type { MessagePort } from 'node:worker_threads'
import { answerJob, CorruptError, fromHex, MessageStream, type WorkerPool } from '../../base/index.ts'
import type { ObjectId } from '../format/object-id.ts'
import type { PackSetHandle } from '../odb/index.ts'
import type { FetchRepository } from '../upload-pack/index.ts'
import { DumbObjects, type ShownPack } from './dumb-objects.ts'
import { idxBytes, idxPieces } from './idx-pieces.ts'

export interface DumbJob {
  readonly packs: PackSetHandle
  /** Commits whose parents the repository doesn't have. */
  readonly cutOff: readonly ObjectId[]
  /** Equal keys are equal tips. */
  readonly tipsKey: string
  readonly question: DumbQuestion
}

export type DumbQuestion =
  | { readonly type: 'packs' }
  | { readonly type: 'loose'; readonly oid: string; readonly listed: readonly number[] }
  | { readonly type: 'idx'; readonly packId: number; readonly name: string }

export type DumbAnswer =
  | { readonly type: 'packs'; readonly packs: readonly ShownPack[] }
  /** Bytes follow: so many, or as many as there are. */
  | { readonly type: 'found'; readonly sizeBytes: number | null }
  | { readonly type: 'missing' }

type FromWorker = DumbAnswer | { readonly type: 'tips' }

/** The tips that a worker keeps: of so many repositories. */
const mostKept = 4

export class KeptTips {
  readonly #byKey = new Map<string, Uint8Array>()

  get(key: string): Uint8Array | undefined {
    return this.#byKey.get(key)
  }

  set(key: string, tips: Uint8Array): void {
    this.#byKey.delete(key)
    this.#byKey.set(key, tips)
    if (this.#byKey.size > mostKept) this.#byKey.delete(this.#byKey.keys().next().value as string)
  }
}

/** In a worker. */
export async function dumbJob(
  { cutOff, packs, question, tipsKey }: DumbJob,
  port: MessagePort,
  repositories: { open(handle: PackSetHandle, cutOff: readonly ObjectId[]): FetchRepository },
  kept: KeptTips,
): Promise<void> {
  await answerJob<{ readonly tips: Uint8Array }>(port, async (main, signal) => {
    const tell = (answer: FromWorker) => main.send(answer)
    const repository = repositories.open(packs, cutOff)
    if (question.type === 'idx') {
      const pack = repository.set.packs.find(({ id }) => id === question.packId)
      if (!pack) throw new CorruptError('no-pack', `pack ${question.packId} is not in its network`)
      tell({ type: 'found', sizeBytes: idxBytes(pack.index) })
      for (const piece of idxPieces(pack.index, fromHex(question.name))) await main.sendBytes(piece, true)
      return main.endBytes()
    }
    let tips = kept.get(tipsKey)
    if (!tips) {
      tell({ type: 'tips' })
      tips = (await main.message()).tips
      kept.set(tipsKey, tips)
    }
    const objects = new DumbObjects(repository, tips, signal)
    if (question.type === 'packs') return tell({ type: 'packs', packs: await objects.packs() })
    const found = await objects.loose(question.oid, new Set(question.listed))
    if (!found) return tell({ type: 'missing' })
    tell({ type: 'found', sizeBytes: found.sizeBytes })
    for await (const piece of found.pieces) await main.sendBytes(piece, true)
    main.endBytes()
  })
}

/**
 * Asks a worker; `use` gets its answer and the bytes that follow it. Throws what the worker failed with, or UnavailableError.
 * @param tips made only when the worker asks for them
 */
export async function askDumb<T>(
  workers: WorkerPool,
  job: DumbJob,
  tips: () => Uint8Array,
  use: (answer: DumbAnswer, bytes: AsyncIterable<Uint8Array>) => Promise<T>,
): Promise<T> {
  return await workers.run('dumb', job, [], async (port) => {
    const worker = new MessageStream<FromWorker>(port)
    let answer = await worker.message()
    if (answer.type === 'tips') {
      worker.send({ tips: tips() })
      answer = await worker.message()
    }
    if (answer.type === 'tips') throw new Error('a worker asks for the tips twice')
    return await use(answer, worker.bytes())
  })
}
