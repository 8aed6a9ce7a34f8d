// Bytes into a stream, their memory given back as soon as the stream is done with it: to make new memory for each piece costs more than to read and send it.
import type { Writable } from 'node:stream'
import { UnavailableError } from '../../base/index.ts'
import type { CheckedBytes } from './read-whole.ts'

/** Pieces that the stream may have at once. */
const mostWaiting = 2

/** Doesn't end the stream. What the pieces throw, as it is; UnavailableError 'aborted' where the stream was closed. @param begin before the first bytes are written */
export async function sendPieces(pieces: AsyncIterable<CheckedBytes>, target: Writable, begin: () => void = () => {}): Promise<void> {
  const closed = Promise.withResolvers<never>()
  closed.promise.catch(() => {}) // thrown where it is waited for
  const leave = (): void => closed.reject(new UnavailableError('aborted', 'the stream was closed before all was written'))
  target.once('close', leave)
  try {
    if (target.destroyed) leave()
    let isBegun = false
    const waiting: Promise<void>[] = []
    for await (const piece of pieces) {
      if (!isBegun) begin()
      isBegun = true
      waiting.push(written(target, piece))
      if (waiting.length >= mostWaiting) await Promise.race([waiting.shift(), closed.promise])
    }
    if (!isBegun) begin()
    await Promise.race([Promise.all(waiting), closed.promise])
  } finally {
    target.off('close', leave)
  }
}

function written(target: Writable, { bytes, free }: CheckedBytes): Promise<void> {
  const done = new Promise<void>((resolve, reject) => {
    target.write(bytes, (error) => {
      if (error) return reject(new UnavailableError('aborted', 'the stream was closed before all was written', { cause: error }))
      free()
      resolve()
    })
  })
  done.catch(() => {}) // thrown where it is waited for
  return done
}
