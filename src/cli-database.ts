// The database for commands other than `serve`: the configured one, or the embedded one — beside a running server, or started for the
// time of the command.
import { join } from 'node:path'
import { type Log, UnavailableError } from './base/index.ts'
import type { Config } from './config.ts'
import { Database, EmbeddedPostgres, attachEmbedded, lockFolder, migrate } from './db/index.ts'

/** Runs the function with a URL that is good until it resolves. */
export async function withDatabaseUrl<T>(config: Config, log: Log, run: (url: string) => Promise<T>): Promise<T> {
  if (config.database.url !== null) return run(config.database.url)
  const folder = join(config.data, 'postgres')
  const lock = await lockFolder(config.data).catch((error: unknown) => {
    if (error instanceof UnavailableError && error.code === 'folder-in-use') return null
    throw error
  })
  if (lock === null) return run(await attachEmbedded(folder))
  try {
    const embedded = await EmbeddedPostgres.start({ folder, log })
    try {
      return await run(embedded.url)
    } finally {
      await embedded.stop()
    }
  } finally {
    await lock.release()
  }
}

/** Runs the function on a database whose schema this release can work with. */
export async function withDatabase<T>(config: Config, log: Log, run: (database: Database) => Promise<T>): Promise<T> {
  return withDatabaseUrl(config, log, async (url) => {
    await migrate({ url, log, mayApply: config.database.migrate })
    const database = new Database({ url, poolSize: 2, log })
    try {
      return await run(database)
    } finally {
      await database.close()
    }
  })
}
