// Counters that a test and its worker threads share: after so many reads of the bucket, or writes to the disk, the next one fails.
const [reads, writes] = [0, 1]

export class WorkerFaults {
  readonly shared: SharedArrayBuffer
  readonly #left: Int32Array

  constructor(shared = new SharedArrayBuffer(8)) {
    this.shared = shared
    this.#left = new Int32Array(shared)
  }

  /** 1: the next one fails; 0: none does. One fails, and those after it don't. */
  readsLeft(count: number): void {
    Atomics.store(this.#left, reads, count)
  }

  /** The same of writes, but all that come later fail, too: a full disk stays full. */
  writesLeft(count: number): void {
    Atomics.store(this.#left, writes, count)
  }

  heal(): void {
    this.readsLeft(0)
    this.writesLeft(0)
  }

  failsRead(): boolean {
    return Atomics.load(this.#left, reads) > 0 && Atomics.sub(this.#left, reads, 1) === 1
  }

  failsWrite(): boolean {
    if (Atomics.load(this.#left, writes) > 1) Atomics.sub(this.#left, writes, 1)
    else return Atomics.load(this.#left, writes) === 1
    return false
  }
}
