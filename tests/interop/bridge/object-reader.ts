// Objects of a repository on disk, one after the other, out of `git cat-file --batch`. What git can't read is passed over: a repository may
// be broken on purpose, and what is served of it must then fail where git would fail.
import { once } from 'node:events'
import { Kind } from '../../../src/git/format/index.ts'
import { startGit } from './git-process.ts'
import type { DiskPlace } from './place.ts'

export interface DiskObject {
  readonly oid: string
  readonly kind: Kind
  readonly bytes: Uint8Array
}

/** In the order of the ids, without those that can't be read. */
export async function* readObjects(place: DiskPlace, ids: readonly string[]): AsyncGenerator<DiskObject, void, undefined> {
  for (let from = 0; from < ids.length; ) {
    // git ends at an object that is damaged in some ways: the next run begins behind it
    for await (const answer of readRun(place, ids.slice(from))) {
      from++
      if (answer !== null) yield answer
    }
    from++
  }
}

/** An answer for each id, null where there is no such object; ends early when git does. */
async function* readRun(place: DiskPlace, ids: readonly string[]): AsyncGenerator<DiskObject | null, void, undefined> {
  const child = startGit(place, ['cat-file', '--batch', '--buffer'])
  child.stderr?.on('data', (chunk: Buffer) => process.stderr.write(`reading ${place.gitDir}: ${chunk.toString()}`))
  child.stdin?.on('error', () => {})
  child.stdin?.end(ids.map((id) => `${id}\n`).join(''))
  const closed = once(child, 'close')
  const reader = new AnswerReader(child.stdout as AsyncIterable<Buffer>)
  try {
    for (let i = 0; i < ids.length; i++) {
      const line = await reader.line()
      if (line === null) return
      const [oid = '', word = '', size = ''] = line.split(' ')
      if (!Object.hasOwn(Kind, word)) {
        yield null
        continue
      }
      const bytes = await reader.take(Number(size) + 1)
      if (bytes === null) return
      yield { oid, kind: Kind[word as keyof typeof Kind], bytes: bytes.subarray(0, -1) }
    }
  } finally {
    child.stdout?.destroy()
    await closed
  }
}

class AnswerReader {
  readonly #chunks: AsyncIterator<Buffer>
  #rest: Buffer = Buffer.alloc(0)

  constructor(stream: AsyncIterable<Buffer>) {
    this.#chunks = stream[Symbol.asyncIterator]()
  }

  /** Without its end; null at the end of all. */
  async line(): Promise<string | null> {
    for (;;) {
      const end = this.#rest.indexOf(0x0a)
      if (end >= 0) {
        const line = this.#rest.toString('latin1', 0, end)
        this.#rest = this.#rest.subarray(end + 1)
        return line
      }
      if (!(await this.#more())) return null
    }
  }

  async take(sizeBytes: number): Promise<Buffer | null> {
    if (this.#rest.length < sizeBytes) {
      const parts = [this.#rest]
      let there = this.#rest.length
      while (there < sizeBytes) {
        const { done, value } = await this.#chunks.next()
        if (done === true) return null
        parts.push(value)
        there += value.length
      }
      this.#rest = Buffer.concat(parts)
    }
    const taken = this.#rest.subarray(0, sizeBytes)
    this.#rest = this.#rest.subarray(sizeBytes)
    return taken
  }

  async #more(): Promise<boolean> {
    const { done, value } = await this.#chunks.next()
    if (done === true) return false
    this.#rest = this.#rest.length === 0 ? value : Buffer.concat([this.#rest, value])
    return true
  }
}
