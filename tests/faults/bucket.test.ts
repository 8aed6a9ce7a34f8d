// A bucket that fails, stalls, truncates and loses answers: what was acknowledged is whole, what was not leaves nothing visible, and the
// server comes back by itself. Seeded: STEMMA_TEST_SEED repeats a run; STEMMA_TEST_FAULTY_PUSHES says how many pushes (usual: 60).
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Git, TempFolder } from '../support/git.ts'
import { MemoryS3, type S3Fault } from '../support/memory-s3.ts'
import { SeededRandom } from '../support/random.ts'
import { Server } from '../support/server.ts'
import { assertWhole, remoteRefs, setting, Writer } from './writers.ts'

const seed = setting('STEMMA_TEST_SEED', Math.floor(performance.timeOrigin) % 1_000_000)
let temp: TempFolder
let git: Git
let bucket: MemoryS3
let server: Server
let cache: string

before(async () => {
  temp = new TempFolder('faulty-bucket')
  git = new Git(temp)
  bucket = await MemoryS3.start()
  cache = temp.join('cache')
  server = await Server.start({ data: temp.join('data'), env: { ...bucket.environment, STEMMA_CACHE_FOLDER: cache } })
})
after(async () => {
  bucket.fault = () => null
  await server?.stop()
  await bucket?.stop()
  temp?.remove()
})

/** A restart that forgets everything that was cached: reads come from the bucket again. */
async function forget(): Promise<void> {
  await server.stop()
  rmSync(cache, { recursive: true, force: true })
  await server.begin()
}

function unlucky(random: SeededRandom, chances: Readonly<Partial<Record<S3Fault, number>>>): () => S3Fault | null {
  return () => {
    let left = random.next()
    for (const [fault, chance] of Object.entries(chances) as [S3Fault, number][]) {
      left -= chance
      if (left < 0) return fault
    }
    return null
  }
}

describe(`a bucket that breaks (STEMMA_TEST_SEED=${seed})`, { timeout: 1_800_000 }, () => {
  it('keeps every acknowledged push whole', { timeout: 900_000 }, async (context) => {
    await server.create('faulty')
    const url = server.repositoryUrl('faulty', '')
    const config = ['-c', server.eagerAuthorization]
    const pushes = setting('STEMMA_TEST_FAULTY_PUSHES', 60)
    const history = { count: pushes * 2, largeEvery: 2, largeBytes: 400_000 }
    const writers = await Promise.all(['dora', 'emil'].map((name, n) => Writer.make(git, temp, name, { ...history, seed: seed + n })))
    const random = new SeededRandom(seed)
    bucket.fault = unlucky(random, { fail: 0.15, truncate: 0.12, lose: 0.15, stall: 0.01 })
    for (let n = 0; n < pushes / 2; n++) {
      await Promise.all(writers.map((writer) => writer.pushNext(url, config)))
      if (n % 10 === 9) {
        const refs = await remoteRefs(git, url, config)
        for (const writer of writers) writer.judge(refs)
      }
      for (const writer of writers) if (writer.attempted > writer.acknowledged) writer.judge(await remoteRefs(git, url, config))
    }
    bucket.fault = () => null
    await forget()
    const refs = await remoteRefs(git, url, config)
    for (const writer of writers) writer.judge(refs)
    await assertWhole(git, temp, url, config, writers)
    const acknowledged = writers.reduce((sum, writer) => sum + writer.acknowledgements, 0)
    const refused = writers.reduce((sum, writer) => sum + writer.failures, 0)
    context.diagnostic(
      `${acknowledged} pushes acknowledged, ${refused} refused; ${bucket.keys.size} keys, ${bucket.unfinishedUploads} unfinished uploads`,
    )
    assert.ok(acknowledged > 0)
  })

  it('refuses pushes while the bucket is gone, serves small ones, and comes back', { timeout: 300_000 }, async () => {
    await server.create('gone')
    const url = server.repositoryUrl('gone', '')
    const config = ['-c', server.eagerAuthorization]
    const writer = await Writer.make(git, temp, 'frida', { count: 6, largeEvery: 2, largeBytes: 400_000, seed })
    bucket.fault = () => 'fail'
    assert.equal(await writer.pushNext(url, config), true, `a small push needs no bucket: ${writer.lastError}`)
    assert.equal(await writer.pushNext(url, config), false, 'a large one can’t be stored')
    assert.match(writer.lastError, /remote|error|503/)
    writer.judge(await remoteRefs(git, url, config))
    assert.equal(await server.isHealthy(), false, '/health says that the bucket is down')
    bucket.fault = () => null
    assert.equal(await writer.pushNext(url, config), true, writer.lastError)
    for (let tries = 0; !(await server.isHealthy()) && tries < 100; tries++) await sleep(50) // its verdict is kept for a moment
    assert.equal(await server.isHealthy(), true)
  })

  it('never sends wrong bytes to a reader', { timeout: 600_000 }, async (context) => {
    await server.create('read')
    const url = server.repositoryUrl('read', '')
    const config = ['-c', server.eagerAuthorization]
    const writer = await Writer.make(git, temp, 'gustav', { count: 12, largeEvery: 1, largeBytes: 300_000, seed })
    while (!writer.isDone) assert.equal(await writer.pushNext(url, config), true, writer.lastError)
    let served = 0
    for (let n = 0; n < 12; n++) {
      bucket.fault = () => null
      await forget()
      bucket.fault = unlucky(new SeededRandom(seed + n), { fail: 0.1, truncate: 0.15, lose: 0.1 })
      const copy = temp.join(`read-${n}.git`)
      const cloned = await git.run([...config, 'clone', '-q', '--mirror', url, copy], { mayFail: true, timeoutMs: 120_000 })
      if (cloned.code !== 0) continue
      served += 1
      await git.run(['fsck', '--strict'], { cwd: copy })
      assert.equal(await git.read(['rev-parse', writer.refs[0]], { cwd: copy }), writer.tip)
    }
    bucket.fault = () => null
    context.diagnostic(`${served} of 12 clones were served; the others ended with an error`)
    assert.ok(served > 0, 'some clones get through')
  })
})
