// `stemma export`: bare repositories that git opens, the way out. A line for each goes to standard output.
import { join, resolve } from 'node:path'
import { allRepositories, type Repository } from '../access/index.ts'
import { CorruptError, InputError, systemClock, UnavailableError } from '../base/index.ts'
import { type Exported, exportRepository } from '../git/index.ts'
import type { Config } from '../config.ts'
import { formatBytes, Progress } from './progress.ts'
import { parseRepository, repositoryNamed } from './repository-name.ts'
import { type CommandRooms, interruptible, withRooms } from './rooms.ts'
import { type Flags, needed, print } from './usage.ts'

/** @throws UsageError; what stops all of it. Sets the exit code to 1 when a repository failed. */
export async function runExport(config: Config, given: Flags, names: readonly string[]): Promise<void> {
  const folder = resolve(needed(given.to, 'export', 'to'))
  const wanted = names.map(parseRepository)
  let failed = 0
  await interruptible((signal) =>
    withRooms(config, async (rooms) => {
      const repositories: Repository[] = []
      for (const name of wanted) repositories.push(await repositoryNamed(rooms.db, name))
      if (wanted.length === 0) repositories.push(...(await allRepositories(rooms.db.queries)))
      const progress = new Progress(process.stderr, systemClock)
      for (const [place, repository] of repositories.entries()) {
        progress.show('export', `${repository.ownerLogin}/${repository.name}`, place, repositories.length)
        const outcome = await exportOne(rooms, repository, folder, signal).finally(() => progress.clear())
        signal.throwIfAborted()
        if (outcome instanceof Error) failed++
        print(given.json === true ? JSON.stringify(plain(repository, outcome)) : lineOf(repository, outcome))
      }
    }),
  )
  if (failed > 0) process.exitCode = 1
}

async function exportOne({ git }: CommandRooms, repository: Repository, folder: string, signal: AbortSignal): Promise<Exported | Error> {
  const { fetchMemory } = git.importParts
  const { limits, threads } = git.options
  const parts = { refs: git.refs, packs: git.packs, workers: git.workers, fetchMemory, limits, threads }
  try {
    return await exportRepository(parts, repository, join(folder, repository.ownerLogin, `${repository.name}.git`), signal)
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof InputError || error instanceof UnavailableError || error instanceof CorruptError) return error
    throw error
  }
}

function lineOf({ ownerLogin, name }: Repository, outcome: Exported | Error): string {
  const repository = `${ownerLogin}/${name}`
  if (outcome instanceof Error) return `failed\t${repository}\t${outcome.message.replaceAll('\n', '; ')}`
  const { refs, objects, packBytes, path } = outcome
  const made = outcome.outcome === 'exported' ? `, ${objects} objects, ${formatBytes(packBytes)}` : ''
  return `${outcome.outcome}\t${repository}\t${refs} refs${made}\t${path}`
}

function plain({ ownerLogin, name }: Repository, outcome: Exported | Error): Record<string, unknown> {
  const repository = `${ownerLogin}/${name}`
  if (!(outcome instanceof Error)) return { repository, ...outcome }
  return { repository, outcome: 'failed', error: { code: 'code' in outcome ? outcome.code : null, message: outcome.message } }
}
