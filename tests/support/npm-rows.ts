// npm packages put straight into rows and content, as publishing leaves them.
import { createHash } from 'node:crypto'
import { createOrFindPackage, findAccount, operator, type Package, type Visibility } from '../../src/access/index.ts'
import type { Database } from '../../src/db/index.ts'
import { sql } from '../../src/db/index.ts'
import { addFile, insertVersion } from '../../src/packages/index.ts'
import type { ContentStore } from '../../src/store/index.ts'

export interface PublishedRow {
  readonly owner: string
  readonly name: string
  readonly version: string
  readonly visibility?: Visibility
  /** What its package.json says besides name and version; or the text as it is to stand in the row. */
  readonly manifest?: object | string
  readonly tarball?: Uint8Array | string
  readonly tags?: readonly string[]
  readonly deprecated?: string
  readonly hasInstallScript?: boolean
  readonly readme?: string
}

export async function publishRow({ db, store }: { db: Database; store: ContentStore }, row: PublishedRow): Promise<Package> {
  const { owner, name, version, visibility = 'public', manifest = {}, tags = ['latest'], deprecated = null } = row
  const account = await findAccount(db.queries, owner)
  if (account === null) throw new Error(`there is no account ${owner}`)
  const wanted = { ownerId: account.id, ownerLogin: owner, format: 'npm', name, repositoryId: null, visibility } as const
  const one = await createOrFindPackage(db, wanted, operator)
  const bytes = Buffer.from(row.tarball ?? `tarball of ${name}@${version}`)
  const { digest: content, sizeBytes } = await store.put(once(bytes), { limitBytes: 1 << 30 })
  const sums = { sha1: createHash('sha1').update(bytes).digest(), sha512: createHash('sha512').update(bytes).digest() }
  const text = typeof manifest === 'string' ? manifest : JSON.stringify({ name, version, ...manifest })
  await db.transaction(async (tx) => {
    const id = await insertVersion(tx, one, { version, key: version.toLowerCase() }, operator)
    const file = { name: `${name.replace(/^.*\//, '')}-${version}.tgz`, content, sizeBytes, ...sums }
    await addFile(tx, store, one, id, file, { isLimited: false })
    await sql`insert into npm_package (package_id, readme, readme_filename) values (${one.id}, ${row.readme ?? null}, 'README.md')
      on conflict (package_id) do update set revision = npm_package.revision + 1, modified_at = now()`.execute(tx)
    const facts = { unpacked_bytes: 1000, file_count: 3, has_install_script: row.hasInstallScript ?? false, deprecated }
    await tx
      .insertInto('npm_version')
      .values({ version_id: id, package_id: one.id, manifest: text, ...facts })
      .execute()
    for (const tag of tags) {
      await sql`insert into npm_tag (package_id, tag, version_id) values (${one.id}, ${tag}, ${id})
        on conflict (package_id, tag) do update set version_id = ${id}`.execute(tx)
    }
  })
  return one
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes
}
