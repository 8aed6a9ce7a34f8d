// Durability: SIGKILL to the server, and to its PostgreSQL, at random moments of pushes. What was acknowledged stays; nothing is there partly.
// STEMMA_TEST_SEED repeats a run; STEMMA_TEST_KILLS and STEMMA_TEST_DATABASE_KILLS say how many (usual: 100 and 30).
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openDatabase } from '../support/database.ts'
import { Git, TempFolder } from '../support/git.ts'
import { SeededRandom } from '../support/random.ts'
import { Server } from '../support/server.ts'
import { assertWhole, remoteRefs, setting, Writer } from './writers.ts'

const seed = setting('STEMMA_TEST_SEED', Math.floor(performance.timeOrigin) % 1_000_000)

describe(`killed at random moments (STEMMA_TEST_SEED=${seed})`, { timeout: 2_400_000 }, () => {
  it('the server', { timeout: 1_200_000 }, async (context) => {
    await killing('server', setting('STEMMA_TEST_KILLS', 100), seed, (line) => context.diagnostic(line))
  })

  it('its PostgreSQL', { timeout: 1_200_000 }, async (context) => {
    await killing('database', setting('STEMMA_TEST_DATABASE_KILLS', 30), seed + 1, (line) => context.diagnostic(line))
  })
})

async function killing(what: 'server' | 'database', kills: number, from: number, say: (line: string) => void): Promise<void> {
  const temp = new TempFolder('kill')
  const git = new Git(temp)
  const random = new SeededRandom(from)
  const server = await Server.start({ data: temp.join('data') })
  try {
    await server.create('target')
    const url = server.repositoryUrl('target', '')
    const config = ['-c', server.eagerAuthorization]
    const history = { count: Math.max(400, kills * 8), largeEvery: 9, largeBytes: 300_000 }
    const names = ['anna', 'boris', 'clara']
    const writers = await Promise.all(names.map((name, n) => Writer.make(git, temp, name, { ...history, seed: from + n })))
    let slowestStartMs = 0
    for (let kill = 0; kill < kills; kill++) {
      const stop = new AbortController()
      const writing = Promise.all(writers.map((writer) => writer.run(url, config, stop.signal)))
      // Half of the kills meet the first pushes after the start, half meet writers that are under way.
      if (random.next() < 0.5) await Promise.race([progress(writers), writing])
      await sleep(random.below(400))
      if (what === 'server') await server.kill()
      else assert.ok(server.killDatabase(), 'there is a PostgreSQL to kill')
      stop.abort()
      await writing
      const startedAt = performance.now()
      if (what === 'server') await server.begin()
      else await healthy(server)
      slowestStartMs = Math.max(slowestStartMs, performance.now() - startedAt)
      const refs = await remoteRefs(git, url, config)
      for (const writer of writers) writer.judge(refs)
      if (kill % 50 === 49) await assertKeys(server)
    }
    await assertWhole(git, temp, url, config, writers)
    await assertKeys(server)
    const acknowledged = writers.reduce((sum, writer) => sum + writer.acknowledgements, 0)
    const broken = writers.reduce((sum, writer) => sum + writer.failures, 0)
    say(`${kills} kills, ${acknowledged} pushes acknowledged, ${broken} cut off, slowest start ${slowestStartMs.toFixed(0)} ms`)
    assert.ok(acknowledged > kills / 4, 'enough was written for the kills to mean something')
    assert.ok(broken > kills / 10, 'enough was under way when it was killed')
  } catch (error) {
    throw new Error(`STEMMA_TEST_SEED=${seed}: ${error instanceof Error ? error.message : String(error)}\n${server.output.slice(-3000)}`, {
      cause: error,
    })
  } finally {
    await server.stop()
    temp.remove()
  }
}

/** Resolves when any writer has one more acknowledgement, or after 5 s. */
async function progress(writers: readonly Writer[]): Promise<void> {
  const count = (): number => writers.reduce((sum, writer) => sum + writer.acknowledgements, 0)
  const before = count()
  for (const deadline = performance.now() + 5000; count() === before && performance.now() < deadline; ) await sleep(5)
}

async function healthy(server: Server): Promise<void> {
  for (const deadline = performance.now() + 30_000; !(await server.isHealthy()); await sleep(20)) {
    if (performance.now() > deadline) throw new Error('the server did not get its PostgreSQL back in 30 s')
  }
}

/** Every pack's and history table's key is there with its size, and every key has a row, or an intent row by which it will be swept. */
async function assertKeys(server: Server): Promise<void> {
  const database = await openDatabase(server)
  try {
    const packs = await database.query<{ key: string; size: string }>(
      'select key, size_bytes as size from pack where key is not null union all select key, size_bytes from history',
    )
    const intents = await database.query<{ key: string }>('select key from upload_intent union select key from key_deletion')
    const files = server.bucketFiles().filter((file) => /\/(pack|history)\//.test(file.path))
    const known = new Set([...packs.rows, ...intents.rows].map((row) => row.key))
    for (const { key, size } of packs.rows) {
      const path = join(server.data, 'bucket', key)
      assert.ok(existsSync(path), `${key} has a row and no bytes`)
      assert.equal(files.find((file) => file.path.endsWith(key))?.sizeBytes, Number(size), `${key} has its size`)
    }
    for (const { path } of files) {
      assert.ok(
        [...known].some((key) => path.endsWith(key)),
        `${path} is an orphan that no intent row names`,
      )
    }
  } finally {
    await database.end()
  }
}
