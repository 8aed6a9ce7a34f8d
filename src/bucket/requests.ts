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
