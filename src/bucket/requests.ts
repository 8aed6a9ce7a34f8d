// Counts of what a bucket was asked. One counter for each bucket instance; a process with worker threads adds theirs up.
import type { BucketRequests } from './bucket.ts'

export function noRequests(): BucketRequests {
  return { puts: 0, gets: 0, heads: 0, deletes: 0, lists: 0, bytesIn: 0, bytesOut: 0, retries: 0, failures: 0 }
}

/** The sum, for a process that has several instances of one bucket. */
export function addRequests(all: readonly Readonly<BucketRequests>[]): BucketRequests {
  const sum = noRequests()
  for (const one of all) for (const name of Object.keys(sum) as (keyof BucketRequests)[]) sum[name] += one[name]
  return sum
}

/** What was asked between two readings of a counter. */
export function subtractRequests(later: Readonly<BucketRequests>, earlier: Readonly<BucketRequests>): BucketRequests {
  const difference = noRequests()
  for (const name of Object.keys(difference) as (keyof BucketRequests)[]) difference[name] = later[name] - earlier[name]
  return difference
}

const names = Object.keys(noRequests()) as (keyof BucketRequests)[]
const shareEveryMs = 1000

/** Memory in which the threads of a process add up what their instances of one bucket were asked. */
export function sharedRequests(): SharedArrayBuffer {
  return new SharedArrayBuffer(names.length * BigInt64Array.BYTES_PER_ELEMENT)
}

/** Adds what an instance is asked to that memory, once a second for as long as the thread lives. */
export function shareRequests(counts: Readonly<BucketRequests>, shared: SharedArrayBuffer): void {
  const sums = new BigInt64Array(shared)
  let told = noRequests()
  const tell = () => {
    const now = { ...counts }
    for (const [i, name] of names.entries()) if (now[name] !== told[name]) Atomics.add(sums, i, BigInt(now[name] - told[name]))
    told = now
  }
  setInterval(tell, shareEveryMs).unref()
}

/** What the threads have told so far. */
export function readShared(shared: SharedArrayBuffer): BucketRequests {
  const sums = new BigInt64Array(shared)
  const counts = noRequests()
  for (const [i, name] of names.entries()) counts[name] = Number(Atomics.load(sums, i))
  return counts
}
