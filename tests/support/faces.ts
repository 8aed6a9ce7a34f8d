// The server's whole listener in this process, over a test database, with a gate that ends every admitted request before its handler: what is left
// to see is who is let in.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeGate } from '../../src/access/index.ts'
import { makeLog, systemClock, systemRandomness } from '../../src/base/index.ts'
import { openBucket, sharedRequests } from '../../src/bucket/index.ts'
import { loadConfig } from '../../src/config.ts'
import type { Database } from '../../src/db/index.ts'
import { mountFaces } from '../../src/faces.ts'
import { type Gate, type Listener, makeListener, Refusal } from '../../src/http/index.ts'
import { makeGit, makeStore } from '../../src/rooms.ts'
import { testDatabase } from './test-database.ts'

/** What a request that was let in is answered with: no handler gives it. */
export const admitted = 418

export interface TestFaces {
  readonly db: Database
  readonly listener: Listener
  readonly gate: Gate
  close(): Promise<void>
}

export async function openFaces(): Promise<TestFaces> {
  const folder = mkdtempSync(join(tmpdir(), 'stemma-faces-'))
  const log = makeLog('silent')
  const environment = { STEMMA_DATA: folder, STEMMA_WORKERS_COUNT: '1' }
  const config = loadConfig({ environment })
  mkdirSync(join(folder, 'bucket'))
  const bucket = await openBucket(
    { kind: 'filesystem', folder: join(folder, 'bucket') },
    { clock: systemClock, randomness: systemRandomness },
  )
  const test = await testDatabase()
  const db = test.database
  const counts = sharedRequests()
  const git = makeGit(config, { db, bucket, log, counts })
  const store = makeStore(config, { db, bucket, log, counts })
  const gate = makeGate({ db, clock: systemClock, log, isCreatingOnPush: true })
  const ending: Gate = {
    ...gate,
    admit: async (...asked) => {
      const verdict = await gate.admit(...asked)
      if (verdict === 'allowed') throw new Refusal(admitted, 'admitted', 'Admitted')
      return verdict
    },
  }
  const listener = makeListener({ gate: ending, log, randomness: systemRandomness })
  mountFaces(listener, { config, db, bucket, git, store, log, counts })
  await listener.ready()
  return {
    db,
    listener,
    gate,
    close: async () => {
      await listener.close()
      await gate.close()
      await git.close()
      await store.close()
      await bucket.close()
      await test.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
