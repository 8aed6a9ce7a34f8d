// Which golden vectors have held in this process: a byte for each, in memory that all of its threads share. It is never stored: a process begins with none.
import type { DeflateEngine } from './engine.ts'
import { allGoldens } from './goldens.ts'

const vectorCount = allGoldens.reduce((sum, goldens) => sum + goldens.length, 0)

/** To be made once in a process, and handed to every thread that has a `Replay`. */
export function sharedVectors(): SharedArrayBuffer {
  return new SharedArrayBuffer(vectorCount)
}

export class Vectors {
  readonly #held: Uint8Array
  readonly #places = new Map<string, number>()

  /** RangeError: the memory is for other engines than these. */
  constructor(engines: readonly DeflateEngine[], shared: SharedArrayBuffer) {
    this.#held = new Uint8Array(shared)
    for (const engine of engines) for (const { params } of engine.golden) this.#places.set(nameOf(engine, params), this.#places.size)
    if (this.#places.size !== shared.byteLength)
      throw new RangeError(`memory for ${shared.byteLength} golden vectors, and ${this.#places.size} of them`)
  }

  /** Some thread has found that it holds. */
  hasHeld(engine: DeflateEngine, params: Iterable<number>): boolean {
    const place = this.#places.get(nameOf(engine, params))
    return place !== undefined && Atomics.load(this.#held, place) === 1
  }

  noteHeld(engine: DeflateEngine, params: Iterable<number>): void {
    const place = this.#places.get(nameOf(engine, params))
    if (place !== undefined) Atomics.store(this.#held, place, 1)
  }
}

function nameOf({ id, version }: DeflateEngine, params: Iterable<number>): string {
  return [id, version, ...params].join('.')
}
