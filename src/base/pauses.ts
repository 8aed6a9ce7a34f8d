// Waiting for something that may not come.

/**
 * The items, and null each time that none has come for so long: whoever takes them may leave then. One that was waited for is lost to him, and what
 * it would have thrown is said to nobody.
 */
export async function* withPauses<T>(items: AsyncIterable<T>, pauseMs: number): AsyncGenerator<T | null, void, undefined> {
  const iterator = items[Symbol.asyncIterator]()
  try {
    for (;;) {
      const next = iterator.next()
      next.catch(() => {})
      while (!(await settles(next, pauseMs))) yield null
      const { done, value } = await next
      if (done) return
      yield value
    }
  } finally {
    iterator.return?.().catch(() => {})
  }
}

/** Whether the promise is settled within that time. */
async function settles(promise: Promise<unknown>, withinMs: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), withinMs)
    const settled = () => {
      clearTimeout(timer)
      resolve(true)
    }
    promise.then(settled, settled)
  })
}
