// Versions that wait for somebody's word. Nobody sees them but those who may publish the package; their tarballs are held by references of their own.
import {
  type Actor,
  audit,
  auditedAs,
  may,
  type Package,
  packageOfRow,
  packageResourceOf,
  packageRows,
  packagesReadableBy,
  type Identity,
} from '../../access/index.ts'
import { hex, InputError } from '../../base/index.ts'
import { type Queries, sql, sqlState, type Tx } from '../../db/index.ts'
import { packageReference } from '../../packages/index.ts'
import { type ContentInfo, type ContentStore, digestBytes, digestOf } from '../../store/index.ts'
import type { NpmName } from '../format/names.ts'
import { insertPublication } from '../publish/insert-publication.ts'
import type { Attestation } from '../publish/provenance.ts'
import type { Publication } from '../publish/publication.ts'

/** By whom a version was put forward: in npm's words, a person, a machine's token, or a CI job. */
export type StagedAs = 'user' | 'token' | 'oidc'

export interface Staged {
  readonly id: string
  readonly one: Package
  readonly version: string
  readonly publication: Publication
  readonly attestation: Attestation | null
  readonly content: ContentInfo
  readonly stagedBy: string
  readonly stagedAs: StagedAs
  readonly createdAt: Date
}

const references = 'npm-staged'
const mostOfPackage = 20
/** Of a list. */
const mostListed = 2000

/** InputError `version-exists`, `version-removed`, `version-staged`, `too-many-staged`. The content is locked already. */
export async function insertStaged(
  tx: Tx,
  store: ContentStore,
  {
    id,
    one,
    publication,
    attestation,
    content,
    stagedAs,
    actor,
  }: Omit<Staged, 'version' | 'stagedBy' | 'createdAt'> & { readonly actor: Actor },
): Promise<void> {
  const { version, key } = publication
  // one after the other: so many of a package, and no more
  await tx.selectFrom('package').select('id').where('id', '=', one.id).forUpdate().executeTakeFirst()
  await assertNew(tx, one, publication)
  const { waiting } = await tx
    .selectFrom('npm_staged')
    .select((select) => select.fn.countAll<number>().as('waiting'))
    .where('package_id', '=', one.id)
    .executeTakeFirstOrThrow()
  if (waiting >= mostOfPackage)
    throw new InputError('too-many-staged', `${mostOfPackage} versions of ${one.name} wait already: approve or reject one first`)
  if (!(await store.hold(tx, content.digest, { kind: references, id })))
    throw new InputError('content-gone', 'What was uploaded is gone; upload it again')
  const row = {
    id,
    package_id: one.id,
    version,
    version_key: key,
    content: Buffer.from(digestBytes(content.digest)),
    size_bytes: content.sizeBytes,
    publication: JSON.stringify(kept(publication)),
    attestation: attestation === null ? null : JSON.stringify(attestation),
    staged_by: actor.name,
    staged_as: stagedAs,
  }
  await tx
    .insertInto('npm_staged')
    .values(row)
    .execute()
    .catch((error: unknown) => {
      throw sqlState(error) === '23505'
        ? new InputError('version-staged', `${one.name}@${version} waits already: approve or reject it first`)
        : error
    })
  await audit(tx, actor, { ...auditedAs(one), action: 'package.stage', details: { id, version } })
}

async function assertNew(tx: Tx, one: Package, { version, key }: Publication): Promise<void> {
  const { rows } = await sql<{ isThere: boolean; wasThere: boolean }>`
    select exists (select from package_version where package_id = ${one.id} and version_key = ${key}) as "isThere",
      exists (select from package_tombstone where owner_id = ${one.ownerId} and format = 'npm' and name = ${one.name.toLowerCase()}
        and version_key = ${key}) as "wasThere"`.execute(tx)
  if (rows[0]?.isThere === true)
    throw new InputError('version-exists', `You cannot publish over the previously published versions: ${version}.`)
  if (rows[0]?.wasThere === true)
    throw new InputError(
      'version-removed',
      `${one.name}@${version} was unpublished; a version never comes again: publish it under another number`,
    )
}

/** Of what was looked into when it came, what its rows will say. */
function kept({ tarball, bundle: _bundle, ...publication }: Publication) {
  const { fileCount, unpackedBytes } = tarball.files
  return {
    ...publication,
    sums: { sha1: hex(tarball.sha1), sha512: hex(tarball.sha512) },
    attachment: tarball.attachment,
    fileCount,
    unpackedBytes,
  }
}

function publicationOf(text: string, sizeBytes: number): Publication {
  const { sums, attachment, fileCount, unpackedBytes, ...publication } = JSON.parse(text) as ReturnType<typeof kept>
  const files = { fileCount, unpackedBytes, packageJson: new Uint8Array(), hasBindingGyp: false }
  const [sha1, sha512] = [Buffer.from(sums.sha1, 'hex'), Buffer.from(sums.sha512, 'hex')]
  return { ...publication, bundle: null, tarball: { attachment, sizeBytes, sha1, sha512, files } }
}

/** Those of packages that the caller may publish to, or put forward for; the newest last. */
export async function listStaged(
  queries: Queries,
  identity: Identity,
  { owner, name }: { readonly owner: string | null; readonly name: string | null },
): Promise<Staged[]> {
  const rows = await stagedRows(queries, identity)
    .where(packagesReadableBy(identity))
    .$if(owner !== null, (query) => query.where(sql<boolean>`lower(account.login) = ${(owner ?? '').toLowerCase()}`))
    .$if(name !== null, (query) => query.where(sql<boolean>`lower(package.name) = ${(name ?? '').toLowerCase()}`))
    .orderBy('npm_staged.created_at')
    .orderBy('npm_staged.id')
    .limit(mostListed)
    .execute()
  return rows.map(stagedOf).filter(({ one }) => mayStage(identity, one))
}

/** Null: there is none, or the caller may not know of it. */
export async function findStaged(queries: Queries, identity: Identity, id: string): Promise<Staged | null> {
  if (!isId(id)) return null
  const row = await stagedRows(queries, identity).where('npm_staged.id', '=', id).executeTakeFirst()
  const found = row === undefined ? null : stagedOf(row)
  return found !== null && mayStage(identity, found.one) ? found : null
}

function isId(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)
}

function mayStage(identity: Identity, one: Package): boolean {
  return may(identity, 'package:stage', packageResourceOf(one))
}

function stagedRows(queries: Queries, identity: Identity) {
  return packageRows(queries, identity)
    .innerJoin('npm_staged', 'npm_staged.package_id', 'package.id')
    .select(['npm_staged.id as staged_id', 'npm_staged.version', 'npm_staged.content', 'npm_staged.size_bytes', 'npm_staged.publication'])
    .select(['npm_staged.attestation', 'npm_staged.staged_by', 'npm_staged.staged_as', 'npm_staged.created_at as staged_at'])
}

type StagedRow = Awaited<ReturnType<ReturnType<typeof stagedRows>['executeTakeFirstOrThrow']>>

function stagedOf(row: StagedRow): Staged {
  return {
    id: row.staged_id,
    one: packageOfRow(row),
    version: row.version,
    publication: publicationOf(row.publication, row.size_bytes),
    attestation: row.attestation === null ? null : (JSON.parse(row.attestation) as Attestation),
    content: { digest: digestOf(row.content), sizeBytes: row.size_bytes },
    stagedBy: row.staged_by,
    stagedAs: row.staged_as as StagedAs,
    createdAt: row.staged_at,
  }
}

/**
 * It becomes the version that it waited to be: all in the caller's transaction. False: somebody else was faster. InputErrors of `insertPublication`, after which it
 * waits on.
 */
export async function approve(
  tx: Tx,
  store: ContentStore,
  { id, one, publication, attestation, content }: Staged,
  { name, actor, identity }: { readonly name: NpmName; readonly actor: Actor; readonly identity: Identity },
): Promise<boolean> {
  // the content's row first, as everybody takes them
  if (!(await store.hold(tx, content.digest, packageReference(one)))) return false
  if (!(await remove(tx, id))) return false
  await insertPublication(tx, { to: one, name, publication, attestation, content, actor, identity })
  await audit(tx, actor, { ...auditedAs(one), action: 'package.approve', details: { id, version: publication.version } })
  return true
}

/** It is gone, and was never there. False: somebody else was faster. */
export async function reject(tx: Tx, { id, one, version }: Staged, actor: Actor): Promise<boolean> {
  if (!(await remove(tx, id))) return false
  await audit(tx, actor, { ...auditedAs(one), action: 'package.reject', details: { id, version } })
  return true
}

async function remove(tx: Tx, id: string): Promise<boolean> {
  const { numDeletedRows } = await tx.deleteFrom('npm_staged').where('id', '=', id).executeTakeFirst()
  return numDeletedRows === 1n
}
