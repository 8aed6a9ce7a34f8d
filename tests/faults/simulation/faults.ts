// What goes wrong in a simulated run, and how often: chosen by the seed for the whole run, and then at each step.
import type { Seeded } from '../../support/seeded.ts'

/** How often each kind of thing goes wrong, 0 … 1 a step. */
export interface Odds {
  /** A request to the bucket. */
  readonly bucket: number
  /** A statement: its connection breaks before it, or behind it. */
  readonly database: number
  /** All connections of all nodes break: PostgreSQL restarts. */
  readonly restart: number
  /** For each activity: a worker's reads of the bucket, or its writes to the disk, begin to fail. */
  readonly workers: number
  /** A node dies, for good. */
  readonly death: number
}

export const quiet: Odds = { bucket: 0, database: 0, restart: 0, workers: 0, death: 0 }

/** A fifth of the runs has nothing but races; others have one kind of fault, or all of them. */
export function chooseOdds(random: Seeded): Odds {
  const bucket = { bucket: random.pick([0.05, 0.2, 0.4]), workers: random.pick([0, 0.2]) }
  const database = { database: random.pick([0.01, 0.04]), restart: random.pick([0, 0.004]) }
  const death = { death: random.pick([0.004, 0.015]) }
  switch (random.below(5)) {
    case 0:
      return quiet
    case 1:
      return { ...quiet, ...bucket }
    case 2:
      return { ...quiet, ...database }
    case 3:
      return { ...quiet, ...death }
    default:
      return { ...quiet, ...bucket, ...database, ...death, bucket: 0.05 }
  }
}

/**
 * Of a request that writes. `refuse`: not done. `full`: no space. `half`: a part of the value is stored, and the request fails. `lose`: done, and it fails.
 * `late`: it fails now, and is done some turns later, when its sender thinks no more of it. `twice`: done two times.
 */
export type WriteFault = 'refuse' | 'full' | 'half' | 'lose' | 'late' | 'twice'
export const writeFaults: readonly WriteFault[] = ['refuse', 'full', 'half', 'lose', 'late', 'twice']

/** Of a statement: its connection breaks before it is sent, or when it is done. */
export type StatementFault = 'before' | 'behind'
