// A process that does what keeps one network small, over and over, until it is killed: merges, full repacks, collections, purges and sweeps, as a node does them
// and as the operator's command does. Arguments: database's URL, bucket's folder, network, seed. Says `begun` and `done` with what it is at.
import { join } from 'node:path'
import { makeLog, systemClock, systemRandomness, UnavailableError } from '../../src/base/index.ts'
import { openBucket } from '../../src/bucket/index.ts'
import { Database } from '../../src/db/index.ts'
import { mergePacks } from '../../src/git/compact/index.ts'
import { collectNetwork } from '../../src/git/gc/index.ts'
import { GitRoom } from '../../src/git/index.ts'
import { repackNetwork, repackUnderLease, underLease } from '../../src/git/repack/index.ts'
import { sweepOrphans } from '../../src/jobs/index.ts'
import { roomLimits } from '../support/git-room.ts'
import { Seeded } from '../support/seeded.ts'

const [url = '', folder = '', networkId = '', seed = ''] = process.argv.slice(2)
const log = makeLog('error')
const surroundings = { clock: systemClock, randomness: systemRandomness }
const bucketConfig = { kind: 'filesystem', folder } as const
const db = new Database({ url, poolSize: 6, log })
const bucket = await openBucket(bucketConfig, surroundings)
const room = new GitRoom({
  db,
  bucket,
  bucketConfig,
  ...surroundings,
  log,
  cache: { memoryBytes: 0, diskBytes: 0, packBytes: 0, folder: join(folder, '..', 'cache-of-tidying') },
  threads: 2,
  limits: roomLimits,
  tailBytes: 4096,
  agent: 'stemma/tidying',
})
const random = new Seeded(Number(seed))
const { signal } = new AbortController()
const searching = { window: 10, depth: 50, threads: 2, memoryBytes: 64 << 20, progress: () => {}, signal }

async function merge(isSearched: boolean): Promise<void> {
  await underLease(room, networkId, async (leased) => {
    const packs = await room.packs.open(networkId)
    const { length } = packs.handle.packs
    if (length < 2) return
    const from = random.below(length - 1)
    const fromPack = packs.handle.packs[from]?.id as number
    if (isSearched) await repackNetwork(room, networkId, { ...searching, reuse: false, fromPack, signal: leased })
    else await mergePacks(room, packs, from, leased)
  })
}

async function collect(isUrgent: boolean): Promise<void> {
  await collectNetwork(room, networkId, { ...searching, reuse: true, graceS: 0, collects: () => true, isUrgent })
  if (isUrgent) await sweepOrphans(db, bucket, log)
}

const acts = {
  merge: () => merge(false),
  'searched merge': () => merge(true),
  repack: () => repackUnderLease(room, networkId, { ...searching, reuse: random.below(2) === 0 }).then(() => {}),
  gc: () => collect(false),
  purge: () => collect(true),
}

for (;;) {
  const kind = random.pick(Object.keys(acts) as (keyof typeof acts)[])
  console.log(`begun ${kind}`)
  try {
    await acts[kind]()
    console.log(`done ${kind}`)
  } catch (error) {
    if (!(error instanceof UnavailableError)) throw error
    console.log(`refused ${kind}: ${error.code}`)
  }
}
