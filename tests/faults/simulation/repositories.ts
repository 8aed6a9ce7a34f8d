// What is known of the repositories of a simulated run: which there are, what clients saw of them, and every change that was asked for, with what became of it.
import type { Repository } from '../../../src/access/index.ts'
import { type Queries, sql } from '../../../src/db/index.ts'

export type Refs = ReadonlyMap<string, string>

export interface Known {
  readonly repository: Repository
  /** Its refs when it was made. */
  readonly first: Refs
  /** What clients saw of it, oldest first. */
  readonly views: Refs[]
  /** `maybe`: a deletion was begun whose end nobody knows. */
  isGone: boolean | 'maybe'
}

/** One ref of one push. */
export interface Change {
  readonly repositoryId: number
  readonly ref: string
  readonly old: string | null
  readonly new: string | null
}

/** `done`: acknowledged. `refused`: the client was told that it was not done. `doubtful`: nobody told him, or could know. */
export type Outcome = 'done' | 'refused' | 'doubtful'

/** Pushed together; in one transaction. */
export interface Push {
  readonly isAtomic: boolean
  readonly changes: readonly { readonly change: Change; readonly outcome: Outcome }[]
}

export const keyOf = ({ repositoryId, ref, old, new: value }: Change): string => `${repositoryId} ${ref} ${old} ${value}`

/** A repository's refs as they are at this moment. */
export async function readRefs(queries: Queries, repositoryId: number): Promise<Refs> {
  const { rows } = await sql<{ name: string; oid: string }>`
    select name, encode(oid, 'hex') as oid from ref where repository_id = ${repositoryId} order by name`.execute(queries)
  return new Map(rows.map(({ name, oid }) => [name, oid]))
}
