// What a package format brings, so that all that is about packages of every format knows none of them by name: the API, the commands, webhooks, the check of what is
// stored. How a format's own clients publish and pull is its own business, and goes by nobody else. docs/design/packages.md, Formats.
import type { Actor, Package, PackageFormat, PackageId } from '../access/index.ts'
import type { Database, PageRequest, Queries } from '../db/index.ts'
import type { Digest } from '../store/index.ts'
import type { UpstreamFormat } from './upstream/index.ts'

/** GitHub's words for formats; `generic` is ours. */
export type PackageType = 'container' | 'npm' | 'generic'

export interface FormatRoom {
  readonly format: PackageFormat
  readonly type: PackageType
  /** Of its registry. `path` stands behind the server's origin. */
  readonly registry: { readonly name: string; readonly type: string; readonly path: string }
  /** What its files are called, and what getting one is. */
  readonly words: { readonly file: string; readonly download: string }
  /** Of each of the packages that has any. */
  countVersions(queries: Queries, packages: readonly PackageId[]): Promise<ReadonlyMap<PackageId, number>>
  /** The newest first. */
  listVersions(
    queries: Queries,
    id: PackageId,
    wanted: PageRequest,
  ): Promise<{ readonly versions: readonly FormatVersion[]; readonly total: number }>
  findVersion(queries: Queries, id: PackageId, version: number): Promise<FormatVersion | null>
  /** With what leads to it. False: it is gone already. InputError says why it stays: 'in-use', 'immutable-tag'. */
  deleteVersion(db: Database, one: Package, version: Omit<FormatVersion, 'publishedAt'>, actor: Actor): Promise<boolean>
  /** Takes everything out of a package, in bounded steps, before its row goes, which takes what little has come since. */
  empty(db: Database, id: PackageId, signal?: AbortSignal): Promise<void>
  figures(queries: Queries, id: PackageId): Promise<PackageFigures>
  /** The version that a row of the outbox is about, as webhooks tell it; null: it is about the package as a whole. What is gone has `id` null. */
  toldVersion(queries: Queries, origin: string, one: Package, told: ToldFacts): Promise<Readonly<Record<string, unknown>> | null>
  /** Rows of formats that share tables share this, too. */
  readonly contents: ContentKeeping
  /** Null: nothing of it comes from elsewhere. */
  readonly upstream: UpstreamFormat | null
}

export interface FormatVersion {
  readonly id: number
  /** A version as published; of an image, the digest of a manifest. */
  readonly name: string
  /** What leads to it now, in order. */
  readonly tags: readonly string[]
  readonly publishedAt: Date
}

export interface PackageFigures {
  readonly versions: number
  /** Null: its versions have none. */
  readonly tags: number | null
  readonly files: number
  /** Of its files, each content once, as they were published. */
  readonly fileBytes: number
  readonly downloadsIn30Days: number
}

/** What stands in a row of the outbox. */
export type ToldFacts = Readonly<Record<string, unknown>>

/** Rows that stand for content: each needs it, and a reference that keeps it. */
export interface ContentKeeping {
  /** Rows whose content isn't there, or that nothing keeps. What goes meanwhile is no finding. */
  check(queries: Queries): AsyncGenerator<KeptFinding, void, undefined>
  /** References that are missing, where the content is there: after its rows were made again out of the bucket. How many. */
  holdAgain(queries: Queries): Promise<number>
}

export interface KeptFinding {
  readonly severity: 'error'
  readonly code: 'oci-content-missing' | 'oci-unheld' | 'package-content-missing' | 'package-unheld'
  readonly message: string
  readonly advice: string
  readonly content: Digest
}

/** Each once, however many formats share them. */
export function keepingsOf(formats: readonly FormatRoom[]): ContentKeeping[] {
  return [...new Set(formats.map(({ contents }) => contents))]
}

/** Every format has a room. */
export function roomOf(formats: readonly FormatRoom[], { format }: Pick<Package, 'format'>): FormatRoom {
  const room = formats.find((one) => one.format === format)
  if (room === undefined) throw new Error(`no room is for packages of the format ${format}`)
  return room
}
