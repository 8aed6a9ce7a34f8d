// A repository's refs at one moment, sorted by name in byte order, and the cache that keeps the last one of each repository.
import { hex, InputError } from '../../base/index.ts'
import type { Database, Queries } from '../../db/index.ts'
import type { ObjectId } from '../format/object-id.ts'

export interface Ref {
  readonly name: string
  readonly oid: ObjectId
  /** For an annotated tag: what it finally points to. */
  readonly peeled?: ObjectId
}

export interface RefSnapshot {
  /** Grows with every change; equal versions are equal snapshots. */
  readonly version: number
  /** What HEAD points to: a ref, which may be unborn, or an object where HEAD is detached (then `byName` has it under that). */
  readonly head: string
  readonly refs: readonly Ref[]
  readonly byName: ReadonlyMap<string, Ref>
}

/** True for a HEAD that is no name of a ref but an object's id, as a repository from elsewhere may have it. */
export function isDetached(head: string): head is ObjectId {
  return /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(head)
}

export class RefStore {
  readonly #db: Database
  readonly #snapshots = new Map<number, RefSnapshot>()
  readonly #limitRefs: number
  #refs = 0

  /** @param limitRefs refs kept over all repositories */
  constructor(db: Database, limitRefs = 1_000_000) {
    this.#db = db
    this.#limitRefs = limitRefs
  }

  /**
   * The refs as of now, or as of the moment when the caller read `version` from the repository's row: then a snapshot that is kept and no older
   * costs no query. UnavailableError when the database doesn't answer; InputError `repository-deleted`.
   */
  async read(repositoryId: number, version?: number): Promise<RefSnapshot> {
    const kept = this.#snapshots.get(repositoryId)
    if (kept && version !== undefined && kept.version >= version) return this.#used(repositoryId, kept)
    if (version !== undefined) return this.#load(this.#db.queries, repositoryId)
    const repository = await this.#db.queries
      .selectFrom('repository')
      .select(['refs_version', 'head'])
      .where('id', '=', repositoryId)
      .executeTakeFirst()
    if (!repository) throw deleted()
    const known = this.#snapshots.get(repositoryId)
    if (known && known.version === repository.refs_version) return this.#used(repositoryId, known)
    return this.#load(this.#db.queries, repositoryId)
  }

  #used(repositoryId: number, snapshot: RefSnapshot): RefSnapshot {
    this.#snapshots.delete(repositoryId)
    this.#snapshots.set(repositoryId, snapshot)
    return snapshot
  }

  /** The refs at that version, if they are at hand. */
  known(repositoryId: number, version: number): RefSnapshot | null {
    const known = this.#snapshots.get(repositoryId)
    return known?.version === version ? known : null
  }

  /** The refs at that version, for a transaction that holds the repository's lock, so that there is no other. */
  async at(tx: Queries, repositoryId: number, version: number): Promise<RefSnapshot> {
    return this.known(repositoryId, version) ?? this.#load(tx, repositoryId)
  }

  /** Reads version and refs in one statement, so that they belong together. */
  async #load(queries: Queries, repositoryId: number): Promise<RefSnapshot> {
    const rows = await queries
      .selectFrom('repository')
      .leftJoin('ref', 'ref.repository_id', 'repository.id')
      .select(['repository.refs_version', 'repository.head', 'ref.name', 'ref.oid', 'ref.peeled'])
      .where('repository.id', '=', repositoryId)
      .orderBy('ref.name')
      .execute()
    const first = rows[0]
    if (!first) throw deleted()
    const refs: Ref[] = []
    for (const row of rows) {
      if (row.name === null || row.oid === null) continue
      const ref = { name: row.name, oid: hex(row.oid) as ObjectId }
      refs.push(row.peeled ? { ...ref, peeled: hex(row.peeled) as ObjectId } : ref)
    }
    const byName = new Map(refs.map((ref) => [ref.name, ref]))
    if (isDetached(first.head)) byName.set(first.head, { name: 'HEAD', oid: first.head })
    const snapshot: RefSnapshot = { version: first.refs_version, head: first.head, refs, byName }
    this.#remember(repositoryId, snapshot)
    return snapshot
  }

  #remember(repositoryId: number, snapshot: RefSnapshot): void {
    const present = this.#snapshots.get(repositoryId)
    if (present) {
      if (present.version > snapshot.version) return
      this.#refs -= present.refs.length
      this.#snapshots.delete(repositoryId)
    }
    this.#snapshots.set(repositoryId, snapshot)
    this.#refs += snapshot.refs.length
    for (const [oldest, entry] of this.#snapshots) {
      if (this.#refs <= this.#limitRefs || oldest === repositoryId) break
      this.#snapshots.delete(oldest)
      this.#refs -= entry.refs.length
    }
  }
}

/** It was there when the request was let in: no alarm. */
function deleted(): InputError {
  return new InputError('repository-deleted', 'the repository was deleted')
}
