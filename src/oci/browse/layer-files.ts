// The files of layers, asked for by whoever may read an image that has them: lists are made when they are first needed, in a worker, and kept in memory while they
// are used. docs/design/packages-api.md.
import type { MessagePort } from 'node:worker_threads'
import { InputError, isOutOfMemory, type Log, MessageStream, SharedPlaces, UnavailableError, WorkerPool } from '../../base/index.ts'
import type { Digest, OpenContent, SegmentStore } from '../../store/index.ts'
import type { AnswerOf, FilePlace, QuestionKind, QuestionOf } from './file-questions.ts'
import { type FileWanted, listed } from './listed-file.ts'

/** A blob that is asked for its files. The asker has seen to it that the caller may read it. */
export interface Layer {
  readonly content: Digest
  readonly sizeBytes: number
}

/** Where layers are, packed as they came, or opened. */
export type LayerStore = Pick<SegmentStore, 'get' | 'openLayerFile' | 'openLayerList'>

export interface LayerFilesOptions {
  readonly store: LayerStore
  readonly log: Log
  /** How long a question waits for lists that aren't there yet. */
  readonly waitMs?: number
  readonly cacheBytes?: number
  /** What the making of one list may take of JavaScript's memory. */
  readonly heapMiB?: number
}

const defaults = { waitMs: 10_000, cacheBytes: 256 << 20, heapMiB: 192 }
/** Layers that are read at once, one of one caller's, and those that wait to be. */
const readAtOnce = 2
const mostWaiting = { ofAll: 20_000, ofCaller: 1000 }
/** Files that are given at once; each caller has a part of them. */
const givenAtOnce = 32
/** Of one question. */
const mostLayers = 500
/** Of layers that have no list: so many are remembered. */
const mostFaults = 10_000

export class LayerFiles {
  readonly #store: LayerFilesOptions['store']
  readonly #waitMs: number
  readonly #cacheBytes: number
  readonly #workers: WorkerPool
  /** Each makes one list at a time, and takes nothing else down with it. */
  readonly #makers: WorkerPool
  readonly #places = new SharedPlaces(readAtOnce)
  readonly #waiting = new Map<string, number>()
  readonly #giving = new SharedPlaces(givenAtOnce)
  /** What was used last stands last. */
  readonly #lists = new Map<Digest, SharedArrayBuffer>()
  #heldBytes = 0
  /** Those that are being made. */
  readonly #coming = new Map<Digest, Promise<SharedArrayBuffer>>()
  /** Those that wait to be, of a caller each: what another one waits for, too, isn't behind all that he has asked for. */
  readonly #wanted = new Map<string, Promise<SharedArrayBuffer>>()
  readonly #faults = new Map<Digest, InputError>()

  constructor({ store, log, waitMs = defaults.waitMs, cacheBytes = defaults.cacheBytes, heapMiB = defaults.heapMiB }: LayerFilesOptions) {
    this.#store = store
    this.#waitMs = waitMs
    this.#cacheBytes = cacheBytes
    const pool = {
      entry: new URL('./layer-worker.ts', import.meta.url),
      data: null,
      threads: 2,
      onCrash: (error: unknown) => log.error({ err: error }, 'a worker thread that reads layers ended by itself; its requests failed'),
    }
    this.#workers = new WorkerPool(pool)
    this.#makers = new WorkerPool({ ...pool, threads: readAtOnce, heapMiB })
  }

  /**
   * The lists of layers, in their order. InputError `not-a-layer`, `too-large`, `too-many-members`, `too-many-files`, `long-path`, `bad-path` where
   * one has none; UnavailableError `layers-unread` where they take long: they are made all the same, and may be asked for again; `busy`.
   * @param caller of whom one layer is read at a time
   */
  async lists(layers: readonly Layer[], caller: string): Promise<SharedArrayBuffer[]> {
    if (layers.length > mostLayers) throw new InputError('too-large', `the image has more than ${mostLayers} layers`)
    const slow = Promise.withResolvers<never>()
    const timer = setTimeout(() => slow.reject(unread()), this.#waitMs)
    let heldBytes = 0
    const held = new Set<SharedArrayBuffer>()
    const list = async (layer: Layer) => {
      const memory = await this.#list(layer, caller)
      if (!held.has(memory)) heldBytes += memory.byteLength
      held.add(memory)
      if (heldBytes > this.#cacheBytes) throw new InputError('too-many-files', 'the layers together have more files than are listed')
      return memory
    }
    try {
      return await Promise.race([Promise.all(layers.map(list)), slow.promise])
    } finally {
      clearTimeout(timer)
    }
  }

  /** InputError as the question says. */
  ask<K extends QuestionKind>(kind: K, question: QuestionOf<K>): Promise<AnswerOf<K>> {
    return this.#workers.run('ask', { kind, question }, [], (port) => new MessageStream<AnswerOf<K>>(port).message())
  }

  /**
   * The bytes of one file of a layer, as `ask` told where they are. May be iterated once; leaving the loop ends the work. CorruptError before the last piece
   * where they aren't those that were listed.
   * @param caller of whom a part at most is served at once
   */
  async *read(layer: Layer, { bodyAt, sizeBytes, sha256 }: FilePlace, caller: string): AsyncGenerator<Uint8Array, void, undefined> {
    const leave = await this.#giving.take(caller)
    const wanted = { bodyAt, sizeBytes, sha256 }
    try {
      const opened = await this.#store.openLayerFile(layer.content, { type: '0', bodyAt, bodyBytes: sizeBytes })
      yield* opened === null ? this.#unpack(layer, wanted) : listed(opened.bytes, wanted)
    } finally {
      leave()
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#workers.close(), this.#makers.close()])
  }

  async *#unpack(layer: Layer, wanted: FileWanted): AsyncGenerator<Uint8Array, void, undefined> {
    const stopping = new AbortController()
    const job = this.#workers.start('file', wanted)
    try {
      const worker = new MessageStream<never>(job.port)
      const fed = this.#feed(worker, await this.#packed(layer.content), stopping.signal)
      fed.catch((error: unknown) => worker.fail(error)) // the worker tells it
      yield* worker.bytes()
    } catch (error) {
      throw job.explain(error)
    } finally {
      stopping.abort()
      job.end()
    }
  }

  #list({ content }: Layer, caller: string): Promise<SharedArrayBuffer> | SharedArrayBuffer {
    const known = this.#known(content)
    if (known !== undefined) return known
    const key = `${content} ${caller}`
    const wanted = this.#wanted.get(key)
    if (wanted !== undefined) return wanted
    const coming = this.#inTurn(content, caller).finally(() => this.#wanted.delete(key))
    coming.catch(() => {}) // whoever waited may be gone
    this.#wanted.set(key, coming)
    return coming
  }

  /** What is there, or being made. The InputError that was remembered. */
  #known(content: Digest): Promise<SharedArrayBuffer> | SharedArrayBuffer | undefined {
    const fault = this.#faults.get(content)
    if (fault !== undefined) throw new InputError(fault.code, fault.message)
    const held = this.#lists.get(content)
    if (held === undefined) return this.#coming.get(content)
    this.#lists.delete(content)
    this.#lists.set(content, held)
    return held
  }

  async #inTurn(content: Digest, caller: string): Promise<SharedArrayBuffer> {
    const leave = await this.#place(caller)
    try {
      const known = this.#known(content)
      if (known !== undefined) return await known
      const coming = this.#make(content).finally(() => this.#coming.delete(content))
      this.#coming.set(content, coming)
      return await coming
    } finally {
      leave()
    }
  }

  async #make(content: Digest): Promise<SharedArrayBuffer> {
    try {
      const known = await this.#store.openLayerList(content)
      const bytes = known ?? (await this.#packed(content))
      const list = await this.#makers.run(known === null ? 'list' : 'relist', null, [], (port) => this.#converse(port, bytes))
      this.#keep(content, list)
      return list
    } catch (error) {
      const fault = isOutOfMemory(error)
        ? new InputError('too-many-files', 'the layer’s files need more memory than a list may take')
        : error
      if (fault instanceof InputError) this.#remember(content, fault)
      throw fault
    }
  }

  async #converse(port: MessagePort, bytes: OpenContent): Promise<SharedArrayBuffer> {
    const worker = new MessageStream<SharedArrayBuffer>(port)
    const stopping = new AbortController()
    const fed = this.#feed(worker, bytes, stopping.signal)
    fed.catch((error: unknown) => worker.fail(error))
    try {
      return await worker.message()
    } finally {
      stopping.abort()
    }
  }

  async #packed(content: Digest): Promise<OpenContent> {
    const open = await this.#store.get(content)
    if (open === null) throw new UnavailableError('content-gone', 'the layer has just been deleted')
    return open
  }

  /** Sends the bytes until they have been taken, or nobody takes them any more. */
  async #feed(worker: MessageStream<unknown>, open: OpenContent, signal: AbortSignal): Promise<void> {
    for await (const bytes of open.bytes) {
      if (worker.closed || signal.aborted) return
      await worker.sendBytes(bytes)
    }
    if (!worker.closed) worker.endBytes()
  }

  async #place(caller: string): Promise<() => void> {
    const waiting = this.#waiting.get(caller) ?? 0
    if (this.#places.waiting >= mostWaiting.ofAll || waiting >= mostWaiting.ofCaller) {
      throw new UnavailableError('busy', 'too many layers wait to be read; ask again later')
    }
    this.#waiting.set(caller, waiting + 1)
    const leave = await this.#places.take(caller)
    const left = (this.#waiting.get(caller) ?? 1) - 1
    if (left === 0) this.#waiting.delete(caller)
    else this.#waiting.set(caller, left)
    return leave
  }

  #keep(content: Digest, list: SharedArrayBuffer): void {
    this.#lists.set(content, list)
    this.#heldBytes += list.byteLength
    for (const [oldest, { byteLength }] of this.#lists) {
      if (this.#heldBytes <= this.#cacheBytes || oldest === content) break
      this.#lists.delete(oldest)
      this.#heldBytes -= byteLength
    }
  }

  #remember(content: Digest, fault: InputError): void {
    this.#faults.set(content, fault)
    const [oldest] = this.#faults.keys()
    if (this.#faults.size > mostFaults && oldest !== undefined) this.#faults.delete(oldest)
  }
}

function unread(): UnavailableError {
  return new UnavailableError('layers-unread', 'The layers are being read: ask again in a moment')
}
