// The bucket as one node of a simulated run has it: each request goes through the node.
import { readFile } from 'node:fs/promises'
import type { Bucket, ByteRange, FileUpload, Key, OpenValue } from '../../../src/bucket/index.ts'
import type { WriteActs } from './node.ts'

export interface RequestGate {
  /** Bytes can be opened where they are, as on a local disk; else they are only to be asked for. */
  readonly isNear: boolean
  readonly read: <T>(what: string, act: () => Promise<T>) => Promise<T>
  readonly write: (what: string, acts: WriteActs) => Promise<void>
}

export class NodeBucket implements Bucket {
  readonly kind
  readonly spoolFolder: string
  readonly partSizeBytes: number
  readonly openValue?: (key: Key) => Promise<OpenValue>
  readonly #inner: Bucket
  readonly #gate: RequestGate

  constructor(inner: Bucket, gate: RequestGate) {
    this.#inner = inner
    this.#gate = gate
    this.kind = inner.kind
    this.spoolFolder = inner.spoolFolder
    this.partSizeBytes = inner.partSizeBytes
    const { openValue } = inner
    if (gate.isNear && openValue) this.openValue = (key) => gate.read(`open ${kindOf(key)}`, () => openValue.call(inner, key))
  }

  get requests(): Bucket['requests'] {
    return this.#inner.requests
  }

  put(key: Key, bytes: Uint8Array): Promise<void> {
    const whole = () => this.#inner.put(key, bytes)
    return this.#gate.write(`put ${kindOf(key)}`, {
      leased: key,
      whole,
      half: () => this.#inner.put(key, bytes.subarray(0, bytes.length >> 1)),
      twice: async () => (await whole(), await whole()),
      prepare: async () => whole,
    })
  }

  uploadFile(key: Key, path: string): FileUpload {
    const upload = this.#inner.uploadFile(key, path)
    let isEnded = false
    const put = async (part: number) => {
      const bytes = await readFile(path)
      await this.#inner.put(key, bytes.subarray(0, Math.floor(bytes.length * part)))
    }
    return {
      advance: (sizeBytes) => upload.advance(sizeBytes),
      complete: async (sizeBytes, signal) => {
        isEnded = true
        const whole = () => upload.complete(sizeBytes, signal)
        try {
          await this.#gate.write(`upload ${kindOf(key)}`, {
            leased: key,
            whole,
            half: () => put(1 / 2),
            twice: async () => (await put(1), await whole()),
            prepare: async () => {
              const bytes = await readFile(path)
              return () => this.#inner.put(key, bytes)
            },
          })
        } finally {
          await upload.abort() // a failed complete removes the file; no effect where it went through
        }
      },
      abort: async () => {
        if (!isEnded) await upload.abort()
      },
    }
  }

  get(key: Key, range: ByteRange): Promise<Uint8Array> {
    return this.#gate.read(`get ${kindOf(key)}`, () => this.#inner.get(key, range))
  }

  async *stream(key: Key, range: ByteRange): AsyncIterable<Uint8Array> {
    yield await this.#gate.read(`stream ${kindOf(key)}`, () => this.#inner.get(key, range))
  }

  head(key: Key): Promise<{ readonly sizeBytes: number } | null> {
    return this.#gate.read(`head ${kindOf(key)}`, () => this.#inner.head(key))
  }

  delete(key: Key): Promise<void> {
    const whole = () => this.#inner.delete(key)
    // half of a deletion is none
    return this.#gate.write(`delete ${kindOf(key)}`, {
      leased: null,
      whole,
      half: async () => {},
      twice: async () => (await whole(), await whole()),
      prepare: async () => whole,
    })
  }

  async *list(prefix: string): AsyncIterable<{ readonly key: Key; readonly sizeBytes: number }> {
    const found: { readonly key: Key; readonly sizeBytes: number }[] = []
    await this.#gate.read(`list ${prefix}`, async () => {
      for await (const one of this.#inner.list(prefix)) found.push(one)
    })
    yield* found
  }

  probe(signal?: AbortSignal): Promise<void> {
    return this.#inner.probe(signal)
  }

  close(): Promise<void> {
    return this.#inner.close()
  }
}

/** Keys are chosen anew in each run: what is told of them isn't. */
function kindOf(key: Key): string {
  return key.slice(0, key.indexOf('/'))
}
