// SIGKILL while packs are merged, repacked, collected and purged, on two real servers with one PostgreSQL and one bucket that are pushed to meanwhile, and to those
// servers: what was acknowledged stays, what can't be known is whole or nowhere, and no key is left when the sweeper was there.
// STEMMA_TEST_SEED repeats a run; STEMMA_TEST_TIDYING_KILLS says how many (usual: 30).
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeLog, systemClock, systemRandomness } from '../../src/base/index.ts'
import { openBucket } from '../../src/bucket/index.ts'
import { sql } from '../../src/db/index.ts'
import { sweepOrphans } from '../../src/jobs/index.ts'
import { stemma } from '../support/command.ts'
import { Git, TempFolder } from '../support/git.ts'
import { SeededRandom } from '../support/random.ts'
import { Server } from '../support/server.ts'
import { type TestDatabase, testDatabase } from '../support/test-database.ts'
import { assertWhole, remoteRefs, setting, Writer } from './writers.ts'

const seed = setting('STEMMA_TEST_SEED', Math.floor(performance.timeOrigin) % 1_000_000)
const kills = setting('STEMMA_TEST_TIDYING_KILLS', 30)

test(`killed while tidying, on two nodes (STEMMA_TEST_SEED=${seed})`, { timeout: 1_200_000 }, async (context) => {
  const place = new Place(new TempFolder('kill-tidying'), await testDatabase())
  try {
    await place.open()
    for (let kill = 0; kill < kills; kill++) await place.round(kill)
    await place.judgeEnd()
    context.diagnostic(place.told())
    assert.ok(place.interrupted > kills / 4, 'enough was under way when it was killed')
    assert.ok(place.done > 0, 'something came to its end, too')
  } catch (error) {
    throw new Error(`STEMMA_TEST_SEED=${seed}: ${error instanceof Error ? error.message : String(error)}\n${place.output()}`, {
      cause: error,
    })
  } finally {
    await place.close()
  }
})

class Place {
  interrupted = 0
  done = 0
  readonly #temp: TempFolder
  readonly #git: Git
  readonly #db: TestDatabase
  readonly #random = new SeededRandom(seed)
  readonly #bucketFolder: string
  readonly #nodes: Server[] = []
  readonly #writers: Writer[] = []
  readonly #killed = new Map<string, number>()
  #networkId = ''
  #tidyingSaid = ''

  constructor(temp: TempFolder, db: TestDatabase) {
    this.#temp = temp
    this.#git = new Git(temp)
    this.#db = db
    this.#bucketFolder = temp.join('bucket')
  }

  get #config(): readonly string[] {
    return ['-c', (this.#nodes[0] as Server).eagerAuthorization]
  }

  #env(): Record<string, string> {
    return { DATABASE_URL: this.#db.url, STEMMA_BUCKET_FILESYSTEM_FOLDER: this.#bucketFolder, STEMMA_GIT_TAIL_BYTES: '4KiB' }
  }

  async open(): Promise<void> {
    for (const name of ['node-a', 'node-b']) this.#nodes.push(await Server.start({ data: this.#temp.join(name), env: this.#env() }))
    await (this.#nodes[0] as Server).create('target')
    const row = await this.#db.database.queries.selectFrom('repository').select('network_id').executeTakeFirstOrThrow()
    this.#networkId = row.network_id
    const history = { count: 60 + kills * 12, largeEvery: 5, largeBytes: 40_000 }
    for (const [n, name] of ['anna', 'boris'].entries())
      this.#writers.push(await Writer.make(this.#git, this.#temp, name, { ...history, seed: seed + n }))
  }

  /** Both writers push, each to its node; the tidying process, and now and then a node, is killed meanwhile. */
  async round(kill: number): Promise<void> {
    const stop = new AbortController()
    const swap = this.#random.below(2)
    const writing = Promise.all(
      this.#writers.map((writer, n) =>
        writer.run((this.#nodes[(n + swap) % 2] as Server).repositoryUrl('target', ''), this.#config, stop.signal),
      ),
    )
    await this.#leaveBehind(kill)
    const tidying = this.#tidy(kill)
    // half of the kills meet its first work, half what comes later
    await this.#said(tidying, kill % 2 === 0 ? /^begun/m : /^(done|refused)/m)
    await sleep(this.#random.below(500))
    const node = this.#random.below(3) === 0 ? (this.#nodes[this.#random.below(2)] as Server) : null
    await Promise.all([ended(tidying), node?.kill()])
    this.#count()
    stop.abort()
    await writing
    await node?.begin()
    // the lease of who was killed ends by itself, after a minute
    await sql`update job set leased_until = now() - interval '1 second' where kind like 'repack %' and holder is not null`.execute(
      this.#db.database.queries,
    )
    await this.#judge()
    if (kill % 10 === 9) await this.#assertChecked()
  }

  /** Objects that nothing reaches any more: a branch that is pushed and deleted. */
  async #leaveBehind(kill: number): Promise<void> {
    const url = (this.#nodes[kill % 2] as Server).repositoryUrl('target', '')
    const folder = this.#temp.join('leaving')
    if (kill === 0) await this.#git.run(['init', '-q', '-b', 'leaving', folder])
    await this.#git.commit(folder, { 'secret.txt': `${kill}\n`.repeat(2000) }, 'leaves')
    await this.#git.run([...this.#config, 'push', '-q', '-f', url, 'leaving'], { cwd: folder, mayFail: true })
    await this.#git.run([...this.#config, 'push', '-q', url, ':leaving'], { cwd: folder, mayFail: true })
  }

  #tidy(kill: number): ChildProcess {
    const args = [join(import.meta.dirname, 'tidying.ts'), this.#db.url, this.#bucketFolder, this.#networkId, String(seed + kill)]
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', process.execPath, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#tidyingSaid = ''
    const collect = (bytes: Buffer) => void (this.#tidyingSaid += bytes.toString())
    child.stdout.on('data', collect)
    child.stderr.on('data', collect)
    return child
  }

  async #said(child: ChildProcess, what: RegExp): Promise<void> {
    while (!what.test(this.#tidyingSaid) && child.exitCode === null) await sleep(5)
  }

  /** What was under way when it was killed. */
  #count(): void {
    const lines = this.#tidyingSaid.trim().split('\n')
    this.done += lines.filter((line) => line.startsWith('done')).length
    const [, kind = ''] = /^begun (.*)$/.exec(lines.at(-1) ?? '') ?? []
    assert.ok(!/Error/.test(this.#tidyingSaid), this.#tidyingSaid)
    if (kind === '') return
    this.interrupted++
    this.#killed.set(kind, (this.#killed.get(kind) ?? 0) + 1)
  }

  async #judge(): Promise<void> {
    const refs = await Promise.all(this.#nodes.map((node) => remoteRefs(this.#git, node.repositoryUrl('target', ''), this.#config)))
    for (const writer of this.#writers) writer.judge(refs[0] as Map<string, string>)
    assert.deepEqual([...(refs[1] ?? [])], [...(refs[0] ?? [])], 'both nodes say the same')
  }

  async #assertChecked(): Promise<void> {
    const { code, stdout, stderr } = await stemma(['fsck', '--data', this.#temp.join('node-a')], this.#env())
    assert.equal(code, 0, stdout + stderr)
  }

  async judgeEnd(): Promise<void> {
    const url = (this.#nodes[1] as Server).repositoryUrl('target', '')
    await this.#git.run([...this.#config, 'push', '-q', url, ':leaving'], { cwd: this.#temp.join('leaving'), mayFail: true })
    await assertWhole(this.#git, this.#temp, url, this.#config, this.#writers)
    await this.#assertChecked()
    const { database } = this.#db
    await sql`update upload_intent set expires_at = now() - interval '1 second'`.execute(database.queries)
    await sql`update key_deletion set not_before = now() - interval '1 second'`.execute(database.queries)
    const surroundings = { clock: systemClock, randomness: systemRandomness }
    const bucket = await openBucket({ kind: 'filesystem', folder: this.#bucketFolder }, surroundings)
    await sweepOrphans(database, bucket, makeLog('silent'))
    await bucket.close()
    const rows = await sql<{ key: string }>`
      select key from pack where key is not null union select key from history union select key from path_table`.execute(database.queries)
    const files = readdirSync(this.#bucketFolder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    const keys = files
      .map((file) => join(file.parentPath, file.name).slice(this.#bucketFolder.length + 1))
      .filter((key) => !key.startsWith('tmp/'))
    assert.deepEqual(keys.sort(), rows.rows.map(({ key }) => key).sort(), 'keys and rows are the same')
    assert.deepEqual((await database.queries.selectFrom('upload_intent').select('key').execute()).length, 0)
  }

  told(): string {
    const acknowledged = this.#writers.reduce((sum, writer) => sum + writer.acknowledgements, 0)
    const killed = [...this.#killed].map(([kind, count]) => `${count} × ${kind}`).join(', ')
    return `${kills} kills, under way: ${killed}; ${this.done} ended before; ${acknowledged} pushes acknowledged`
  }

  output(): string {
    return [this.#tidyingSaid, ...this.#nodes.map((node) => node.output.slice(-2000))].join('\n---\n')
  }

  async close(): Promise<void> {
    for (const node of this.#nodes) await node.stop()
    await this.#db.close()
    this.#temp.remove()
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return
  const exit = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.kill('SIGKILL')
  await exit
}
