// One after the other: whoever takes the lock runs when those before have given it back.

export class Lock {
  #last: Promise<void> = Promise.resolve()

  /** Resolves, when it is the caller's turn, with the function that ends the turn (calling it twice does nothing). */
  async take(): Promise<() => void> {
    const turn = Promise.withResolvers<void>()
    const before = this.#last
    this.#last = turn.promise
    await before
    return () => turn.resolve()
  }
}
