// A manifest with all that hangs together with it: an index with its images, these with their layers, and beside each what refers to it.
import type { PackageId } from '../../access/index.ts'
import { type Queries, sql } from '../../db/index.ts'
import { digestText, parseDigestBytes } from '../format/digests.ts'
import { type ManifestRow, manifestsByDigest } from './image-rows.ts'
import { type ManifestFacts, readManifest } from './manifest-json.ts'

export interface TreeManifest extends ManifestRow, ManifestFacts {
  /** Digests of what names it as subject, the oldest first. */
  readonly referrers: readonly string[]
}

/** What stands below two indexes is told once: what is below each is named by digest. */
export interface ManifestTree {
  /** The root first, level by level. */
  readonly manifests: readonly TreeManifest[]
  /** There is more than is told: too deep, or too much. */
  readonly isTruncated: boolean
}

export const treeLimits = { manifests: 300, bytes: 8 << 20, depth: 6 }

/** @param root that the image has; null: it hasn't any more */
export async function manifestTree(queries: Queries, image: PackageId, root: Uint8Array): Promise<ManifestTree | null> {
  const loading = new Loading(queries, image)
  const tree = await loading.run(root)
  return tree.manifests.length === 0 ? null : tree
}

class Loading {
  readonly #queries: Queries
  readonly #image: PackageId
  readonly #known = new Map<string, TreeManifest>()
  #bytes = 0
  #isTruncated = false

  constructor(queries: Queries, image: PackageId) {
    this.#queries = queries
    this.#image = image
  }

  /** Each level with one statement for rows, one for bytes and one for what refers to them. What refers to each other in a circle is met once. */
  async run(root: Uint8Array): Promise<ManifestTree> {
    let level: Uint8Array[] = [root]
    for (let depth = 0; level.length > 0 && depth < treeLimits.depth; depth++) level = await this.#load(level)
    return { manifests: [...this.#known.values()], isTruncated: this.#isTruncated || level.length > 0 }
  }

  async #load(wanted: readonly Uint8Array[]): Promise<Uint8Array[]> {
    const left = treeLimits.manifests - this.#known.size
    if (wanted.length > left) this.#isTruncated = true
    const rows = await manifestsByDigest(this.#queries, this.#image, wanted.slice(0, left))
    const affordable = rows.filter(({ sizeBytes }) => {
      this.#bytes += sizeBytes
      return this.#bytes <= treeLimits.bytes
    })
    if (affordable.length < rows.length) this.#isTruncated = true
    const digests = affordable.map(({ digest }) => parseDigestBytes(digest) as Uint8Array)
    const [bytes, referrers] = await Promise.all([this.#bytesOf(digests), this.#referrersOf(digests)])
    const next = new Map<string, Uint8Array>()
    for (const row of affordable) {
      const facts = readManifest(bytes.get(row.digest) ?? new Uint8Array())
      const referring = referrers.get(row.digest) ?? []
      this.#known.set(row.digest, { ...row, ...facts, referrers: referring.map(digestText) })
      for (const { digest } of facts.manifests) {
        const child = parseDigestBytes(digest)
        if (child !== null) next.set(digest, child)
      }
      for (const digest of referring) next.set(digestText(digest), digest)
    }
    return [...next].flatMap(([digest, child]) => (this.#known.has(digest) ? [] : [child]))
  }

  async #bytesOf(digests: readonly Uint8Array[]): Promise<ReadonlyMap<string, Uint8Array>> {
    const rows = await this.#queries
      .selectFrom('oci_manifest')
      .select(['digest', 'bytes'])
      .where('package_id', '=', this.#image)
      .where('digest', '=', sql<Uint8Array>`any(${digests}::bytea[])`)
      .execute()
    return new Map(rows.map((row) => [digestText(row.digest), row.bytes]))
  }

  async #referrersOf(digests: readonly Uint8Array[]): Promise<ReadonlyMap<string, readonly Uint8Array[]>> {
    const rows = await this.#queries
      .selectFrom('oci_manifest')
      .select(['digest', 'subject'])
      .where('package_id', '=', this.#image)
      .where('subject', '=', sql<Uint8Array>`any(${digests}::bytea[])`)
      .orderBy('id')
      .limit(treeLimits.manifests + 1)
      .execute()
    const found = new Map<string, Uint8Array[]>()
    for (const { subject, digest } of rows) {
      const key = digestText(subject as Uint8Array)
      found.set(key, [...(found.get(key) ?? []), digest])
    }
    return found
  }
}
