// The database for commands other than `serve`: the configured one, or the embedded one — beside a running server, or started for the
// time of the command.
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Log, UnavailableError } from '../base/index.ts'
import type { Config } from '../config.ts'
import * as db from '../db/index.ts'

/**
 * Runs the function with a URL that is good until it resolves. `mayCreate`: where there is no database yet, one is made; otherwise that is
 * UnavailableError 'no-data', since an operator in the wrong folder would take a new one for his own, emptied.
 */
export async function withDatabaseUrl<T>(config: Config, log: Log, mayCreate: boolean, run: (url: string) => Promise<T>): Promise<T> {
  if (config.database.url !== null) return run(config.database.url)
  const folder = join(config.data, 'postgres')
  if (!mayCreate && !existsSync(folder)) {
    throw new UnavailableError('no-data', `there is no Stemma in ${resolve(config.data)}; give --data or --config`)
  }
  const lock = await db.lockFolder(config.data).catch((error: unknown) => {
    if (error instanceof UnavailableError && error.code === 'folder-in-use') return null
    throw error
  })
  if (lock === null) return run(await db.attachEmbedded(folder))
  try {
    const embedded = await db.EmbeddedPostgres.start({ folder, log })
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
export async function withDatabase<T>(config: Config, log: Log, run: (database: db.Database) => Promise<T>): Promise<T> {
  return withDatabaseUrl(config, log, false, async (url) => {
    await db.migrate({ url, log, mayApply: config.database.migrate })
    const database = new db.Database({ url, poolSize: 2, log })
    try {
      return await run(database)
    } finally {
      await database.close()
    }
  })
}
