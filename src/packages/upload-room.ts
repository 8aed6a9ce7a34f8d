// How many bytes may come for an owner's package, and what is said where it was his quota that they came up against.
import { findQuota, type Package, quotaExceeded } from '../access/index.ts'
import { InputError } from '../base/index.ts'
import type { Database } from '../db/index.ts'

export interface FileRoom {
  readonly limitBytes: number
  /** The owner has a quota: what comes is charged to it. */
  readonly isLimited: boolean
  /** What an error of the store is for the client. */
  readonly faultOf: (error: unknown) => unknown
}

/** Asked before the first byte is taken. @param mostBytes the most that one file may have, whosever it is */
export async function findFileRoom(db: Database, { ownerId }: Pick<Package, 'ownerId'>, mostBytes: number): Promise<FileRoom> {
  const quota = await findQuota(db, ownerId)
  if (quota === null || quota.leftBytes >= mostBytes) return { limitBytes: mostBytes, isLimited: quota !== null, faultOf: (error) => error }
  const faultOf = (error: unknown) => (error instanceof InputError && error.code === 'too-large' ? quotaExceeded(quota) : error)
  return { limitBytes: quota.leftBytes, isLimited: true, faultOf }
}
