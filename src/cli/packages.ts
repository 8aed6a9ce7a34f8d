// `stemma package`: packages of every format listed, shown, changed and deleted, straight in the database.
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
import { listTags } from '../oci/index.ts'
import { packageFormats } from '../package-formats.ts'
import { deleteWhole, roomOf } from '../packages/index.ts'
import { accountNamed } from './account-named.ts'
import { withDatabase } from './database.ts'
import { formatBytes } from './progress.ts'
import { quietLog } from './rooms.ts'
import { chosen, counted, type Flags, print, printDone, printRows, UsageError } from './usage.ts'

const allFormats = packageFormats.map(({ format }) => format)
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
    ['PACKAGE', 'FORMAT', 'VISIBILITY', 'REPOSITORY', 'VERSIONS', 'SIZE', 'CHANGED'],
    rows,
    ({ name, format, visibility, repository, versions, fileBytes, updatedAt }) => [
      name,
      format,
      visibility,
      repository,
      String(versions),
      formatBytes(fileBytes),
      updatedAt.slice(0, 10),
    ],
  )
}

export async function runShowPackage(config: Config, given: Flags, [name = '']: readonly string[]): Promise<void> {
  const { shown, words } = await withPackage(config, given, name, async (db, one) => ({
    shown: await packageJson(db, one),
    words: roomOf(packageFormats, one).words,
  }))
  if (given.json === true) return print(JSON.stringify(shown))
  const { visibility, repository, versions, tags, files, fileBytes, downloadsIn30Days } = shown
  print(`${shown.name} is ${visibility}, ${repository === null ? 'linked to no repository' : `linked to ${repository}`}`)
  const tagged = tags === null ? [] : [counted(tags, 'tag')]
  const parts = [counted(versions, 'version'), ...tagged, `${counted(files, words.file)} of ${formatBytes(fileBytes)}`].join(', ')
  print(`${parts}; ${counted(downloadsIn30Days, words.download)} in the last 30 days`)
}

export async function runListTags(config: Config, given: Flags, [name = '']: readonly string[]): Promise<void> {
  const tags = await withPackage(config, { ...given, format: 'oci' }, name, async (db, one) => {
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
  const after = await change(config, given, name, async () => ({ visibility }))
  printDone(given.json === true, after, `${after.name} is ${visibility} now`)
}

export async function runLink(config: Config, given: Flags, [name = '', repository = '']: readonly string[]): Promise<void> {
  const after = await change(config, given, name, async (db, { ownerLogin }) => {
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
  const after = await change(config, given, name, async () => ({ repositoryId: null }))
  printDone(given.json === true, after, `${after.name} is linked to no repository now`)
}

export async function runDelete(config: Config, given: Flags, [name = '']: readonly string[]): Promise<void> {
  parsePackage(name)
  if (given.yes !== true) throw new UsageError(`this deletes ${name} with all its versions for good: --yes does it`)
  await withPackage(config, given, name, async (db, one) => {
    if (!(await deleteWhole(db, packageFormats, one, operator))) throw noPackage(name)
  })
  printDone(given.json === true, { package: name, deleted: true }, `${name} is gone; its storage is free in a day`)
}

async function change(config: Config, given: Flags, name: string, changeOf: (db: Database, one: Package) => Promise<PackageChange>) {
  return withPackage(config, given, name, async (db, one) => {
    const after = await changePackage(db, one.id, await changeOf(db, one), operator)
    if (after === null) throw noPackage(name)
    return packageJson(db, after)
  })
}

async function withPackage<T>(config: Config, given: Flags, name: string, run: (db: Database, one: Package) => Promise<T>): Promise<T> {
  parsePackage(name)
  return withDatabase(config, quietLog(config), async (db) => run(db, await packageNamed(db, name, given)))
}

/** Of the format that the command line says, or else of any. UsageError where it is no name, or several packages are called so; InputError 'no-package'. */
export async function packageNamed({ queries }: Database, name: string, { format }: Flags): Promise<Package> {
  const formats = format === undefined ? allFormats : [chosen('format', format, allFormats)]
  const found = await Promise.all(formats.map((one) => findPackage(queries, { format: one, ...parsePackage(name) })))
  const [one, ...others] = found.filter((each) => each !== null)
  if (one === undefined) throw noPackage(name)
  if (others.length === 0) return one
  const those = [one, ...others].map((each) => each.format).join(', ')
  throw new UsageError(`there are several packages '${name}': --format says which (${those})`)
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
  const figures = await roomOf(packageFormats, one).figures(queries, id)
  const repository = repositoryId === null ? null : await findRepositoryById(queries, repositoryId)
  return {
    name: packageFullName(one),
    format,
    visibility,
    repository: repository && fullName(repository),
    ...figures,
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
  }
}
