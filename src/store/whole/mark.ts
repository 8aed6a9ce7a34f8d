// A request that has marked an upload says that it lives, until it has ended.
import type { Database } from '../../db/index.ts'
import { extendMark, markLost, type MarkedUpload, markSeconds } from './upload-rows.ts'

/** Does the work; its signal fires when another request has taken the upload over. */
export async function whileMarked<T>(db: Database, marked: MarkedUpload, work: (lost: AbortSignal) => Promise<T>): Promise<T> {
  const lost = new AbortController()
  const timer = setInterval(
    () => {
      // a database that doesn't answer now is asked again; the mark's end is looked at when the work is to count
      extendMark(db, marked).then(
        (isThere) => {
          if (!isThere) lost.abort(markLost())
        },
        () => {},
      )
    },
    (markSeconds / 3) * 1000,
  )
  timer.unref()
  try {
    return await work(lost.signal)
  } finally {
    clearInterval(timer)
  }
}
