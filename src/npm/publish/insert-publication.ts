// A version becomes visible, by one statement: in the transaction that makes its tarball content, or alone, when that is there. docs/design/npm-publish.md, A publish.
import {
  type Actor,
  findPackage,
  findQuota,
  type Identity,
  may,
  type Package,
  type PackageId,
  packageMadeOf,
  packageResourceOf,
  type PackageToCreate,
} from '../../access/index.ts'
import { InputError } from '../../base/index.ts'
import { type Database, type Queries, sqlState, type Tx } from '../../db/index.ts'
import { notFound } from '../../http/index.ts'
import { chargeContent, packageReferences } from '../../packages/index.ts'
import { type ContentInfo, digestBytes } from '../../store/index.ts'
import { dependenciesOf } from '../format/dependencies.ts'
import { type NpmName, tarballName } from '../format/names.ts'
import { assertNotAlike } from './alike.ts'
import type { Attestation } from './provenance.ts'
import type { Publication } from './publication.ts'
import { insertRows, type Outcome, type PublicationParameters } from './publication-statement.ts'

export interface NewPublication {
  /** Where it goes: a package, or what will be one. */
  readonly to: Package | PackageToCreate
  readonly name: NpmName
  readonly publication: Publication
  readonly attestation: Attestation | null
  readonly content: ContentInfo
  readonly actor: Actor
  readonly identity: Identity
}

/** The package that has it now, as far as it is known. */
export type PublishedTo = Pick<Package, 'id' | 'ownerId' | 'repositoryId' | 'isLinkSet'>

/** What the database says of a version that was there once (a trigger). */
const removedState = 'SV001'
/** serialization_failure, deadlock_detected, and a statement prepared before a migration: a transaction tries again. */
const retryable = ['40001', '40P01', '0A000']

/**
 * In a transaction in which the content is locked. InputError 'version-exists', 'version-removed', 'name-alike', 'quota-exceeded', 'no-such-package' (deleted meanwhile),
 * 'content-gone'.
 */
export async function insertPublication(tx: Tx, wanted: NewPublication): Promise<PublishedTo> {
  const written = await write(tx, wanted, false)
  return written === 'limited' ? insertCharged(tx, wanted) : written
}

/** The same outside of any: one statement, but for owners with a limit. */
export async function insertAlone(db: Database, queries: Queries, wanted: NewPublication): Promise<PublishedTo> {
  let written: PublishedTo | 'limited'
  try {
    written = await write(queries, wanted, false)
  } catch (error) {
    if (!retryable.includes(sqlState(error) ?? '')) throw error
    return db.transaction((tx) => insertPublication(tx, wanted), { mayRetry: true })
  }
  if (written !== 'limited') return written
  await findQuota(db, wanted.to.ownerId) // counts anew where that is due
  return db.transaction((tx) => insertCharged(tx, wanted), { mayRetry: true })
}

async function insertCharged(tx: Tx, wanted: NewPublication): Promise<PublishedTo> {
  const one = await write(tx, wanted, true)
  if (one === 'limited') throw new Error('an owner that is charged was asked about his limit')
  await chargeContent(tx, one, digestBytes(wanted.content.digest), wanted.content.sizeBytes)
  return one
}

/**
 * `limited`: the owner has a limit, and nothing was written.
 * @param isAlikeAsked whether a new name may not be like another one
 */
async function write(
  queries: Queries,
  wanted: NewPublication,
  isCharged: boolean,
  isAlikeAsked = !('id' in wanted.to),
): Promise<PublishedTo | 'limited'> {
  const { to, name, publication, identity } = wanted
  const found = await insert(queries, parametersOf(wanted, isCharged, isAlikeAsked), wanted)
  if (found.isGone) throw new InputError('content-gone', 'What was uploaded is gone; publish it again')
  if (found.isAlike) {
    await assertNotAlike(queries, to, name, identity)
    return write(queries, wanted, isCharged, false)
  }
  if (found.isLimited) return 'limited'
  const { versionId, packageId } = found
  if (versionId !== null && packageId !== null) return publishedTo(to, packageId as PackageId)
  if (packageId !== null) throw versionExists(publication)
  // somebody else has made it at the same time
  const made = await findPackage(queries, { format: 'npm', owner: to.ownerLogin, name: to.name }, identity)
  if (made === null || 'id' in to || !may(identity, 'package:write', packageResourceOf(made))) throw notFound()
  return write(queries, { ...wanted, to: made }, isCharged)
}

async function insert(queries: Queries, parameters: PublicationParameters, { name, publication }: NewPublication): Promise<Outcome> {
  try {
    const [row] = await insertRows(queries, ...parameters)
    if (row === undefined) throw new Error('a statement of one row had none')
    return row
  } catch (error) {
    const state = sqlState(error)
    if (state === '23503') throw new InputError('no-such-package', `The package ${name.full} was deleted meanwhile`)
    if (state !== removedState) throw error
    const what = `${name.full}@${publication.version} was unpublished`
    throw new InputError('version-removed', `${what}; a version never comes again: publish it under another number`)
  }
}

function versionExists({ version }: Publication): InputError {
  return new InputError('version-exists', `You cannot publish over the previously published versions: ${version}.`)
}

function publishedTo(to: Package | PackageToCreate, id: PackageId): PublishedTo {
  return { id, ownerId: to.ownerId, repositoryId: to.repositoryId, isLinkSet: 'isLinkSet' in to && to.isLinkSet }
}

function parametersOf(
  { to, name, publication, attestation, content, actor }: NewPublication,
  isCharged: boolean,
  isAlikeAsked: boolean,
): PublicationParameters {
  const { version, key, tags, tarball } = publication
  const needed = dependenciesOf(publication.manifest)
  const { ownerId, ownerLogin, format, visibility, repositoryId } = to
  const facts = { account: actor.accountId, actor: actor.name, format, owner: ownerLogin, ownerId, name: to.name }
  return [
    ...packageMadeOf({ ownerId, ownerLogin, format, name: to.name, visibility, repositoryId }, actor),
    'id' in to ? to.id : null,
    repositoryId,
    isAlikeAsked ? to.name.toLowerCase().replaceAll(/[-_.]/g, '') : null,
    isCharged,
    version,
    key,
    actor.name,
    tarballName(name, version),
    digestBytes(content.digest),
    content.sizeBytes,
    tarball.sha1,
    tarball.sha512,
    packageReferences,
    publication.readme,
    publication.readmeFilename,
    tags.includes('latest'),
    JSON.stringify(publication.manifest),
    tarball.files.unpackedBytes,
    tarball.files.fileCount,
    publication.hasInstallScript,
    publication.deprecated,
    publication.gitHead,
    tags,
    attestation?.predicateType ?? null,
    attestation?.bundle ?? null,
    attestation?.verified ?? null,
    attestation?.signer ?? null,
    needed.map((dependency) => dependency.name),
    needed.map(({ kind }) => kind),
    needed.map(({ range }) => range),
    JSON.stringify({ ...facts, version, tag: tags[0] ?? 'latest', gitHead: publication.gitHead }),
  ]
}
