// Upstreams' documents as clients are sent them: made once for each revision, form, coding and registry, in a thread, and kept in memory.
import type { PackageId } from '../../access/index.ts'
import { type Clock, Recent } from '../../base/index.ts'
import type { Database } from '../../db/index.ts'
import type { NpmName } from '../format/names.ts'
import type { DocumentForm } from './client/npm-client.ts'
import type { RenderJob } from './document-jobs.ts'
import type { Here } from './document-pulls.ts'
import { readDocument } from './document-rows.ts'
import type { DocumentThreads } from './document-threads.ts'
import { type Dist, findDist } from './format/document.ts'

export type WantedRendering = Pick<RenderJob, 'of' | 'coding' | 'base'>

export interface SentDocument {
  readonly revision: number
  readonly type: string
  readonly coding: RenderJob['coding']
  /** Strong: of the bytes as they are sent. */
  readonly etag: string
  readonly bytes: Uint8Array
}

interface Kept extends Omit<SentDocument, 'bytes'> {
  /** Null: there is no such version. */
  readonly bytes: Uint8Array | null
  readonly minAgeS: number
  /** When one more version is old enough; null: never. */
  readonly untilMs: number | null
}

/** Of rendered documents, and of lists of tarballs; what is kept beside the bytes. */
const keptBytes = { documents: 64 << 20, dists: 16 << 20 }
const overheadBytes = 500

/** Lives as long as the server. */
export class RenderedDocuments {
  readonly #db: Database
  readonly #clock: Clock
  readonly #threads: DocumentThreads
  readonly #kept = new Recent<Kept>(keptBytes.documents)
  readonly #dists = new Recent<string>(keptBytes.dists)
  readonly #making = new Map<string, Promise<Kept | null>>()
  readonly #listing = new Map<string, Promise<string | null>>()

  constructor(db: Database, clock: Clock, threads: DocumentThreads) {
    this.#db = db
    this.#clock = clock
    this.#threads = threads
  }

  /** Null: there is no such version, or none that is old enough. */
  async find({ package: one, state }: Here, name: NpmName, wanted: WantedRendering): Promise<SentDocument | null> {
    const { of, coding, base } = wanted
    const key = `${one.id} ${typeof of === 'string' ? of : `version ${of.version}`} ${coding} ${base}`
    const kept = this.#kept.get(key)
    const isGood = kept !== undefined && kept.revision === state.revision && kept.minAgeS === state.minAgeS
    if (isGood && (kept.untilMs === null || kept.untilMs > this.#clock.now())) return sent(kept)
    const flight = `${state.revision} ${state.minAgeS} ${key}`
    let making = this.#making.get(flight)
    if (making === undefined) {
      making = this.#make(one.id, state, name, wanted).finally(() => this.#making.delete(flight))
      this.#making.set(flight, making)
    }
    const made = await making
    if (made === null) return null
    this.#kept.set(key, made, (made.bytes?.length ?? 0) + overheadBytes)
    return sent(made)
  }

  /** Where a version's tarball is; null: there is no such version, or it isn't old enough. */
  async dist({ package: one, state }: Here, name: NpmName, version: string): Promise<Dist | null> {
    const key = `${one.id} ${state.revision}`
    let lines = this.#dists.get(key) ?? null
    if (lines === null) {
      let listing = this.#listing.get(key)
      if (listing === undefined) {
        listing = this.#list(one.id, state.form, name).finally(() => this.#listing.delete(key))
        this.#listing.set(key, listing)
      }
      lines = await listing
      if (lines === null) return null
      this.#dists.set(key, lines, 2 * lines.length)
    }
    return findDist(lines, version, this.#before(state.minAgeS))
  }

  async #make(
    packageId: PackageId,
    { form, revision, minAgeS }: Here['state'],
    name: NpmName,
    { of, coding, base }: WantedRendering,
  ): Promise<Kept | null> {
    const document = await readDocument(this.#db, packageId, form)
    if (document === null) return null
    const made = await this.#threads.render({ name, document: document.bytes, of, coding, base, before: this.#before(minAgeS) })
    const type = of === 'abbreviated' ? 'application/vnd.npm.install-v1+json' : 'application/json'
    const untilMs = made.nextAge === null ? null : made.nextAge + minAgeS * 1000
    // what has come since is as good: then it was made of that
    return { revision: Math.max(revision, document.revision), type, coding, etag: made.etag, bytes: made.bytes, minAgeS, untilMs }
  }

  async #list(packageId: PackageId, form: DocumentForm, name: NpmName): Promise<string | null> {
    const document = await readDocument(this.#db, packageId, form)
    return document === null ? null : await this.#threads.dists({ name, document: document.bytes })
  }

  #before(minAgeS: number): number | null {
    return minAgeS === 0 ? null : this.#clock.now() - minAgeS * 1000
  }
}

function sent({ bytes, ...kept }: Kept): SentDocument | null {
  return bytes === null ? null : { ...kept, bytes }
}
