// `stemma repository`: repositories made, listed, changed and deleted, straight in the database.
import {
  allRepositories,
  createRepository,
  deleteRepository,
  fullName,
  networkSizes,
  operator,
  type Repository,
  transferRepository,
  updateRepository,
  type Visibility,
} from '../access/index.ts'
import type { Config } from '../config.ts'
import type { Database } from '../db/index.ts'
import { accountNamed } from './account-named.ts'
import { withDatabase } from './database.ts'
import { formatBytes } from './progress.ts'
import { noRepository, parseRepository, repositoryNamed, type RepositoryName } from './repository-name.ts'
import { quietLog } from './rooms.ts'
import { chosen, type Flags, printDone, printRows, UsageError } from './usage.ts'

const visibilities: readonly Visibility[] = ['public', 'internal', 'private']

export async function runCreateRepository(config: Config, given: Flags, [name = '']: readonly string[]): Promise<void> {
  const wanted = parseRepository(name)
  const visibility = chosen('visibility', given.visibility ?? 'private', visibilities)
  const made = await withDatabase(config, quietLog(config), async (db) => {
    const { id: ownerId } = await accountNamed(db, wanted.owner)
    return createRepository(db, { ownerId, name: wanted.name, visibility, description: given.description ?? null, actor: operator })
  })
  printDone(given.json === true, repositoryJson(made), `${fullName(made)} is there, ${made.visibility}`)
}

export async function runListRepositories(config: Config, given: Flags): Promise<void> {
  const rows = await withDatabase(config, quietLog(config), async (db) => {
    const owner = given.owner === undefined ? null : await accountNamed(db, given.owner)
    const all = (await allRepositories(db.queries)).filter(({ ownerId }) => owner === null || ownerId === owner.id)
    const sizes = await networkSizes(
      db.queries,
      all.map(({ networkId }) => networkId),
    )
    return all.map((repository) => ({ ...repositoryJson(repository), packBytes: sizes.get(repository.networkId) ?? 0 }))
  })
  printRows(
    given.json === true,
    ['REPOSITORY', 'VISIBILITY', 'PACKS', 'LAST PUSH'],
    rows,
    ({ repository, visibility, packBytes, pushedAt }) => [
      repository,
      visibility,
      formatBytes(packBytes),
      pushedAt?.slice(0, 10) ?? 'never',
    ],
  )
}

export async function runRename(config: Config, given: Flags, [name = '', newName = '']: readonly string[]): Promise<void> {
  const after = await change(config, name, async (db, { id }) => updateRepository(db, id, { name: newName }, operator))
  printDone(given.json === true, repositoryJson(after), `${name} is ${fullName(after)} now, and answers under that name only`)
}

export async function runTransfer(config: Config, given: Flags, [name = '', owner = '']: readonly string[]): Promise<void> {
  const after = await change(config, name, async (db, { id }) => {
    const { id: ownerId } = await accountNamed(db, owner)
    return transferRepository(db, id, { ownerId, actor: operator })
  })
  printDone(given.json === true, repositoryJson(after), `${name} is ${fullName(after)} now, and answers under that name only`)
}

export async function runVisibility(config: Config, given: Flags, [name = '', word = '']: readonly string[]): Promise<void> {
  const visibility = visibilities.find((one) => one === word)
  if (visibility === undefined) throw new UsageError(`'${word}' is none of ${visibilities.join(', ')}`)
  const after = await change(config, name, async (db, { id }) => updateRepository(db, id, { visibility }, operator))
  printDone(given.json === true, repositoryJson(after), `${fullName(after)} is ${after.visibility} now`)
}

export async function runDelete(config: Config, given: Flags, [name = '']: readonly string[]): Promise<void> {
  const wanted = parseRepository(name)
  if (given.yes !== true)
    throw new UsageError(`this deletes ${name} for good: --yes does it (stemma export ${name} --to FOLDER keeps a copy)`)
  await withDatabase(config, quietLog(config), async (db) => {
    const { id } = await repositoryNamed(db, wanted)
    if (!(await deleteRepository(db, id, operator))) throw noRepository(wanted)
  })
  printDone(given.json === true, { repository: name, deleted: true }, `${name} is gone; its storage is free in six hours`)
}

async function change(
  config: Config,
  name: string,
  act: (db: Database, repository: Repository) => Promise<Repository | null>,
): Promise<Repository> {
  const wanted: RepositoryName = parseRepository(name)
  return withDatabase(config, quietLog(config), async (db) => {
    const after = await act(db, await repositoryNamed(db, wanted))
    if (after === null) throw noRepository(wanted)
    return after
  })
}

function repositoryJson(repository: Repository) {
  const { description, visibility, objectFormat, createdAt, pushedAt } = repository
  return {
    repository: fullName(repository),
    visibility,
    description,
    objectFormat,
    createdAt: createdAt.toISOString(),
    pushedAt: pushedAt && pushedAt.toISOString(),
  }
}
