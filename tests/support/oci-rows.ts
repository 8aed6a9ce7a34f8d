// Images as rows, written as the registry writes them, without its protocol: for tests of what stays and what goes.
import { createHash, randomBytes } from 'node:crypto'
import { type Database, type Queries, sql, type Tx } from '../../src/db/index.ts'
import { digestOf, type SegmentStore } from '../../src/store/index.ts'
import { put } from './content.ts'

export interface RowHost {
  readonly db: { readonly database: Database }
  readonly store: SegmentStore
}

export interface ManifestRows {
  readonly blobs?: readonly Uint8Array[]
  readonly manifests?: readonly Uint8Array[]
  readonly subject?: Uint8Array
  readonly tag?: string
}

export interface TestPackage {
  readonly id: number
  readonly ownerId: number
  readonly name: string
  /** The manifest that was made last. */
  readonly last: Uint8Array
  /** With a lease of an hour; fresh content, unless some is named. */
  blob(known?: { readonly content?: Uint8Array; readonly digest?: Uint8Array }): Promise<Uint8Array>
  manifest(rows: ManifestRows, tx?: Tx): Promise<Uint8Array>
  tag(name: string, digest: Uint8Array, tx?: Queries): Promise<void>
}

let count = 0

/** In an account of its own, unless one is named. */
export async function makePackage(host: RowHost, ownerId?: number): Promise<TestPackage> {
  const { database: db } = host.db
  const name = `image${++count}`
  const owner = ownerId ?? (await makeOwner(db))
  const { rows } = await sql<{ id: number }>`
    insert into package (owner_id, format, name, visibility) values (${owner}, 'oci', ${name}, 'private') returning id`.execute(db.queries)
  const id = (rows[0] as { id: number }).id
  let last: Uint8Array = new Uint8Array()
  const tag = async (tagName: string, digest: Uint8Array, tx: Queries = db.queries): Promise<void> => {
    await sql`
      insert into oci_tag (package_id, name, digest) values (${id}, ${tagName}, ${digest})
      on conflict (package_id, name) do update set digest = excluded.digest, updated_at = now()`.execute(tx)
  }
  const manifest = async (rows: ManifestRows, tx: Tx): Promise<Uint8Array> => {
    const bytes = Buffer.from(JSON.stringify({ n: randomBytes(8).toString('hex') }))
    last = createHash('sha256').update(bytes).digest()
    await sql`
      insert into oci_manifest (package_id, digest, media_type, subject, bytes)
      values (${id}, ${last}, 'application/vnd.oci.image.manifest.v1+json', ${rows.subject ?? null}, ${bytes})`.execute(tx)
    const parts = [
      ...(rows.blobs ?? []).map((digest) => ({ kind: 'layer', digest })),
      ...(rows.manifests ?? []).map((digest) => ({ kind: 'manifest', digest })),
    ]
    for (const [ordinal, { kind, digest }] of parts.entries()) {
      await sql`
        insert into oci_manifest_part (package_id, manifest, ordinal, kind, digest, size_bytes, media_type)
        values (${id}, ${last}, ${ordinal}, ${kind}, ${digest}, 1, 'x/y')`.execute(tx)
    }
    if (rows.tag !== undefined) await tag(rows.tag, last, tx)
    return last
  }
  return {
    id,
    ownerId: owner,
    name,
    get last() {
      return last
    },
    blob: async ({ content, digest } = {}) => {
      const known = content ?? (await freshContent(host.store))
      await db.transaction(async (tx) => {
        await host.store.hold(tx, digestOf(known), { kind: 'oci', id: String(id) })
        await sql`
          insert into oci_blob (package_id, digest, content, size_bytes, leased_until)
          values (${id}, ${digest ?? known}, ${known}, 100, now() + interval '1 hour')
          on conflict (package_id, digest) do update set leased_until = excluded.leased_until`.execute(tx)
      })
      return digest ?? known
    },
    manifest: async (rows, tx) => (tx === undefined ? await db.transaction((own) => manifest(rows, own)) : await manifest(rows, tx)),
    tag,
  }
}

async function freshContent(store: SegmentStore): Promise<Uint8Array> {
  const bytes = randomBytes(100)
  await put(store, bytes)
  return createHash('sha256').update(bytes).digest()
}

export async function makeOwner(db: Database): Promise<number> {
  const { rows } = await sql<{ id: number }>`
    insert into account (login, kind) values (${`owner${++count}`}, 'user') returning id`.execute(db.queries)
  return (rows[0] as { id: number }).id
}
