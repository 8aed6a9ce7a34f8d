// `stemma package`: packages listed, shown, changed and deleted, straight in the database.
import {
  allPackages,
  changePackage,
  findPackage,
  findRepository,
  findRepositoryById,
  fullName,
  operator,
  type Package,
  type PackageChange,
  packageFullName,
  type Visibility,
} from '../access/index.ts'
import { InputError } from '../base/index.ts'
import type { Config } from '../config.ts'
import type { Database } from '../db/index.ts'
import { countTags, deleteImage, imagePulls, imageSizes, listTags } from '../oci/index.ts'
import { accountNamed } from './account-named.ts'
import { withDatabase } from './database.ts'
import { formatBytes } from './progress.ts'
import { quietLog } from './rooms.ts'
import { counted, type Flags, print, printDone, printRows, UsageError } from './usage.ts'

const visibilities: readonly Visibility[] = ['public', 'internal', 'private']

export async function runListPackages(config: Config, given: Flags): Promise<void> {
  const rows = await withDatabase(config, quietLog(config), async (db) => {
    const owner = given.owner === undefined ? null : await accountNamed(db, given.owner)
    const found = (await allPackages(db.queries)).filter(({ ownerId }) => owner === null || ownerId === owner.id)
    const documents = []
    for (const one of found) documents.push(await packageJson(db, one))
    return documents
  })
  printRows(
    given.json === true,
    ['PACKAGE', 'VISIBILITY', 'REPOSITORY', 'VERSIONS', 'SIZE', 'CHANGED'],
    rows,
    ({ name, visibility, repository, versions, blobBytes, updatedAt }) => [
      name,
      visibility,
      repository,
      String(versions),
      formatBytes(blobBytes),
      updatedAt.slice(0, 10),
    ],
  )
}

export async function runShowPackage(config: Config, given: Flags, [name = '']: readonly string[]): Promise<void> {
  const shown = await withPackage(config, name, async (db, one) => {
    const { total } = await imagePulls(db.queries, one.id, 30, null)
    return { ...(await packageJson(db, one)), pullsIn30Days: total }
  })
  if (given.json === true) return print(JSON.stringify(shown))
  const { visibility, repository, versions, tags, blobs, blobBytes, pullsIn30Days } = shown
  print(`${shown.name} is ${visibility}, ${repository === null ? 'linked to no repository' : `linked to ${repository}`}`)
  const parts = [counted(versions, 'version'), counted(tags, 'tag'), `${counted(blobs, 'blob')} of ${formatBytes(blobBytes)}`].join(', ')
  print(`${parts}; ${counted(pullsIn30Days, 'pull')} in the last 30 days`)
}

export async function runListTags(config: Config, given: Flags, [name = '']: readonly string[]): Promise<void> {
  const tags = await withPackage(config, name, async (db, one) => {
    const found = []
    for (let page = 1; ; page++) {
      const part = await listTags(db.queries, one.id, { page, perPage: 1000 })
      found.push(...part.tags)
      if (part.tags.length === 0 || found.length >= part.total) return found
    }
  })
  const rows = tags.map(({ updatedAt, createdAt, pulledAt, ...tag }) => ({
    ...tag,
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
    pulledAt: pulledAt && pulledAt.toISOString(),
  }))
  printRows(given.json === true, ['TAG', 'DIGEST', 'SIZE', 'SINCE', 'PULLS'], rows, (tag) => [
    tag.name,
    tag.digest,
    formatBytes(tag.totalBytes),
    tag.updatedAt.slice(0, 10),
    String(tag.pullCount),
  ])
}

export async function runVisibility(config: Config, given: Flags, [name = '', word = '']: readonly string[]): Promise<void> {
  const visibility = visibilities.find((one) => one === word)
  if (visibility === undefined) throw new UsageError(`'${word}' is none of ${visibilities.join(', ')}`)
  const after = await change(config, name, async () => ({ visibility }))
  printDone(given.json === true, after, `${after.name} is ${visibility} now`)
}

export async function runLink(config: Config, given: Flags, [name = '', repository = '']: readonly string[]): Promise<void> {
  const after = await change(config, name, async (db, { ownerLogin }) => {
    const [before, rest] = repository.split('/')
    // OWNER/REPO is understood, too; another owner's is refused by whoever links
    const [owner, repo] = rest === undefined ? [ownerLogin, before ?? ''] : [before ?? '', rest]
    const found = await findRepository(db.queries, owner, repo)
    if (found === null)
      throw new InputError('no-repository', `there is no repository '${owner}/${repo}'; stemma repository list shows those that there are`)
    return { repositoryId: found.id }
  })
  printDone(given.json === true, after, `${after.name} is linked to ${after.repository} now`)
}

export async function runUnlink(config: Config, given: Flags, [name = '']: readonly string[]): Promise<void> {
  const after = await change(config, name, async () => ({ repositoryId: null }))
  printDone(given.json === true, after, `${after.name} is linked to no repository now`)
}

export async function runDelete(config: Config, given: Flags, [name = '']: readonly string[]): Promise<void> {
  parsePackage(name)
  if (given.yes !== true) throw new UsageError(`this deletes ${name} with all its versions for good: --yes does it`)
  await withPackage(config, name, async (db, one) => {
    if (!(await deleteImage(db, one, operator))) throw noPackage(name)
  })
  printDone(given.json === true, { package: name, deleted: true }, `${name} is gone; its storage is free in a day`)
}

async function change(config: Config, name: string, changeOf: (db: Database, one: Package) => Promise<PackageChange>) {
  return withPackage(config, name, async (db, one) => {
    const after = await changePackage(db, one.id, await changeOf(db, one), operator)
    if (after === null) throw noPackage(name)
    return packageJson(db, after)
  })
}

async function withPackage<T>(config: Config, name: string, run: (db: Database, one: Package) => Promise<T>): Promise<T> {
  parsePackage(name)
  return withDatabase(config, quietLog(config), async (db) => run(db, await packageNamed(db, name)))
}

/** UsageError where it is no name; InputError 'no-package'. */
export async function packageNamed({ queries }: Database, name: string): Promise<Package> {
  const one = await findPackage(queries, { format: 'oci', ...parsePackage(name) })
  if (one === null) throw noPackage(name)
  return one
}

/** Names of images have slashes, owners have none. */
function parsePackage(text: string): { readonly owner: string; readonly name: string } {
  const slash = text.indexOf('/')
  if (slash <= 0 || slash === text.length - 1) throw new UsageError(`'${text}' is not OWNER/NAME`)
  return { owner: text.slice(0, slash), name: text.slice(slash + 1) }
}

function noPackage(name: string): InputError {
  return new InputError('no-package', `there is no package '${name}'; stemma package list shows those that there are`)
}

async function packageJson({ queries }: Database, one: Package) {
  const { id, format, visibility, repositoryId, createdAt, updatedAt } = one
  const repository = repositoryId === null ? null : await findRepositoryById(queries, repositoryId)
  const [sizes, tags] = await Promise.all([imageSizes(queries, id, []), countTags(queries, id)])
  return {
    name: packageFullName(one),
    format,
    visibility,
    repository: repository && fullName(repository),
    versions: sizes.manifestCount,
    tags,
    blobs: sizes.blobCount,
    blobBytes: sizes.blobBytes,
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
  }
}
