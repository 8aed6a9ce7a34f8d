// The embedded PostgreSQL by itself: start, stop, orphans, private folders, long names, and coming back after it was killed.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { type Log, makeLog } from '../../base/index.ts'
import { Database } from '../database.ts'
import { lockFolder } from '../folder-lock.ts'
import { findBinaries } from './binaries.ts'
import { attachEmbedded, EmbeddedPostgres } from './embedded-postgres.ts'
import { chooseIdentity } from './identity.ts'

const log = makeLog('silent')
const root = mkdtempSync(join(tmpdir(), 'stemma-embedded-'))
chmodSync(root, 0o755)
after(() => rmSync(root, { recursive: true, force: true }))

async function ask(url: string, text: string): Promise<unknown> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query({ text, rowMode: 'array' })
    return rows[0]?.[0]
  } finally {
    await client.end()
  }
}

function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    return false
  }
}

async function until(what: string, check: () => boolean | Promise<boolean>, limitMs = 20_000): Promise<void> {
  for (const end = performance.now() + limitMs; !(await check()); await sleep(20))
    if (performance.now() > end) assert.fail(`not in time: ${what}`)
}

test('the first start makes it, later ones find it; commits wait for the disk; ours is no superuser; the password stays private', async () => {
  const folder = join(root, 'plain', 'postgres')
  const first = await EmbeddedPostgres.start({ folder, log })
  assert.match(String(await ask(first.url, 'select version()')), /PostgreSQL 18/)
  assert.equal(
    await ask(first.url, `select current_setting('fsync') || current_setting('synchronous_commit') || current_setting('full_page_writes')`),
    'ononon',
  )
  assert.equal(await ask(first.url, 'select rolsuper from pg_roles where rolname = current_user'), false)
  await ask(first.url, 'create table kept as select 42 as answer')
  const pid = first.pid ?? 0
  await first.stop()
  assert.equal(isRunning(pid), false)
  assert.equal(existsSync(join(folder, 'cluster', 'postmaster.pid')), false)
  assert.equal(existsSync(join(folder, 'password.initdb')), false)
  const again = await EmbeddedPostgres.start({ folder, log })
  assert.equal(again.url, first.url)
  assert.equal(await ask(again.url, 'select answer from kept'), 42)
  assert.equal(await ask(await attachEmbedded(folder), 'select answer from kept'), 42)
  await again.stop()
  await assert.rejects(attachEmbedded(folder), { code: 'no-embedded-postgresql' })
})

test('a data folder below a private folder, and one whose name is too long for a socket', async () => {
  const hidden = join(root, 'private')
  mkdirSync(hidden, { mode: 0o700 })
  for (const folder of [
    join(hidden, 'data', 'postgres'),
    join(root, 'l'.repeat(120), 'postgres'),
    join(root, 'with space, "quotes" and ünïcode', 'postgres'),
  ]) {
    const embedded = await EmbeddedPostgres.start({ folder, log })
    assert.equal(await ask(embedded.url, 'select 1'), 1, folder)
    assert.equal(await ask(await attachEmbedded(folder), 'select 1'), 1, folder)
    await embedded.stop()
  }
})

test('what a killed start left behind is no hindrance: half a cluster, a pid or socket lock file of nobody or of a stranger', async () => {
  const folder = join(root, 'halves', 'postgres')
  mkdirSync(join(folder, 'cluster.new', 'base'), { recursive: true })
  await (await EmbeddedPostgres.start({ folder, log })).stop()
  const stranger = spawn('/bin/sleep', ['100'])
  try {
    for (const pid of ['999999999', String(stranger.pid), 'rubbish', '']) {
      writeFileSync(join(folder, 'cluster', 'postmaster.pid'), `${pid}\n`)
      writeFileSync(join(folder, 'socket', '.s.PGSQL.5432.lock'), `${pid}\n`)
      await (await EmbeddedPostgres.start({ folder, log })).stop()
    }
    assert.equal(isRunning(stranger.pid ?? 0), true)
  } finally {
    stranger.kill('SIGKILL')
  }
})

test('a copy of a folder whose PostgreSQL runs: it starts, and the original goes on', async () => {
  const original = await EmbeddedPostgres.start({ folder: join(root, 'original', 'postgres'), log })
  mkdirSync(join(root, 'copy'), { mode: 0o755 })
  execFileSync('cp', ['-a', join(root, 'original', 'postgres'), join(root, 'copy', 'postgres')])
  const copy = await EmbeddedPostgres.start({ folder: join(root, 'copy', 'postgres'), log, signal: AbortSignal.timeout(20_000) })
  assert.notEqual(copy.url, original.url)
  assert.equal(await ask(copy.url, 'select 1'), 1)
  assert.equal(await ask(original.url, 'select 1'), 1)
  await copy.stop()
  await original.stop()
})

test('a start that a signal ends leaves nothing that runs, and a later start does not mind', async () => {
  const folder = join(root, 'ended', 'postgres')
  for (const afterMs of [0, 50, 400, 800, 1200, 20, 60, 100]) {
    const ending = new AbortController()
    const reason = new Error('enough')
    setTimeout(() => ending.abort(reason), afterMs)
    const started = await EmbeddedPostgres.start({ folder, log, signal: ending.signal }).catch((error: unknown) => error)
    if (started instanceof EmbeddedPostgres) await started.stop()
    else assert.equal(started, reason)
    assert.equal(existsSync(join(folder, 'cluster', 'postmaster.pid')), false, `after ${afterMs} ms`)
  }
  await (await EmbeddedPostgres.start({ folder, log })).stop()
})

test('it ends when its server is killed; a later start does not mind', async () => {
  const folder = join(root, 'orphan', 'postgres')
  const program = `
    import { EmbeddedPostgres } from ${JSON.stringify(new URL('./embedded-postgres.ts', import.meta.url).href)}
    import { makeLog } from ${JSON.stringify(new URL('../../base/index.ts', import.meta.url).href)}
    const embedded = await EmbeddedPostgres.start({ folder: ${JSON.stringify(folder)}, log: makeLog('silent') })
    console.log(embedded.pid)`
  const parent = spawn(process.execPath, ['--input-type=module', '--eval', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(parent.stdout, 'data')) as [Buffer]
  const pid = Number(line.toString())
  assert.equal(isRunning(pid), true)
  parent.kill('SIGKILL')
  await once(parent, 'exit')
  const next = await EmbeddedPostgres.start({ folder, log })
  assert.notEqual(next.pid, pid)
  assert.equal(isRunning(pid), false)
  assert.equal(await ask(next.url, 'select 1'), 1)
  await next.stop()
})

test('an orphan that nobody told to stop is stopped', async () => {
  mkdirSync(join(root, 'stray'), { mode: 0o755 })
  const folder = join(root, 'stray', 'postgres')
  await (await EmbeddedPostgres.start({ folder, log })).stop()
  const binaries = await findBinaries(join(folder, 'lib'))
  const flags = ['-D', join(folder, 'cluster'), '-c', 'listen_addresses=', '-c', `unix_socket_directories=${folder}`]
  const { args, program } = chooseIdentity([binaries.folder, folder]).command(binaries.postgres, flags)
  const stray = spawn(program, args, { env: { LD_LIBRARY_PATH: binaries.libraryPath }, cwd: '/', stdio: 'ignore' })
  const ended = once(stray, 'exit')
  await until('the stray runs', () => existsSync(join(folder, '.s.PGSQL.5432')))
  const embedded = await EmbeddedPostgres.start({ folder, log })
  await ended
  assert.equal(await ask(embedded.url, 'select 1'), 1)
  await embedded.stop()
})

test('killed while it serves: it comes back, the pool goes on, nothing acknowledged is lost', async () => {
  const embedded = await EmbeddedPostgres.start({ folder: join(root, 'killed', 'postgres'), log })
  const database = new Database({ url: embedded.url, poolSize: 4, log })
  const { sql } = await import('kysely')
  await sql`create table counted (n int primary key)`.execute(database.queries)
  let acknowledged = 0
  const rounds = Number(process.env.STEMMA_TEST_KILL_ROUNDS ?? 3)
  for (let round = 0; round < rounds; round++) {
    const pid = embedded.pid ?? 0
    const killed = sleep(150 + Math.random() * 200).then(() => process.kill(pid, 'SIGKILL'))
    for (;;) {
      try {
        await sql`insert into counted values (${acknowledged}) on conflict do nothing`.execute(database.queries)
        acknowledged++
      } catch (error) {
        assert.ok(error instanceof Error && 'code' in error && error.code === 'database-unavailable', String(error))
        break
      }
    }
    await killed
    await until('it answers again', () =>
      sql`select 1`.execute(database.queries).then(
        () => true,
        () => false,
      ),
    )
    const { rows } = await sql<{ n: number }>`select count(*) as n from counted where n < ${acknowledged}`.execute(database.queries)
    assert.equal(rows[0]?.n, acknowledged)
  }
  assert.ok(acknowledged > rounds)
  await database.close()
  await embedded.stop()
})

async function assertStops(embedded: EmbeddedPostgres, when: string): Promise<void> {
  const limit = new AbortController()
  const late = sleep(10_000, 'late', { signal: limit.signal }).catch(() => '')
  assert.equal(await Promise.race([embedded.stop().then(() => 'stopped'), late]), 'stopped', when)
  limit.abort()
  assert.equal(isRunning(embedded.pid ?? 0), false, when)
}

test('stop while it is being started again: it ends, and no PostgreSQL is left', async () => {
  const folder = join(root, 'twice', 'postgres')
  const noticed = Promise.withResolvers<void>()
  const telling = { ...log, error: () => noticed.resolve() } as unknown as Log
  const embedded = await EmbeddedPostgres.start({ folder, log: telling })
  process.kill(embedded.pid ?? 0, 'SIGKILL')
  await noticed.promise
  await assertStops(embedded, 'when its death was noticed and the next one is not there yet')
  for (let waitMs = 0; waitMs <= 160; waitMs += 20) {
    const again = await EmbeddedPostgres.start({ folder, log })
    process.kill(again.pid ?? 0, 'SIGKILL')
    await sleep(waitMs)
    await assertStops(again, `${waitMs} ms after it was killed`)
  }
})

test('a backend that does not notice the death of its postmaster does not bar the next one', async () => {
  const embedded = await EmbeddedPostgres.start({ folder: join(root, 'stuck', 'postgres'), log })
  const client = new pg.Client({ connectionString: embedded.url })
  client.on('error', () => {})
  await client.connect()
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
  const backend = rows[0]?.pid ?? 0
  process.kill(backend, 'SIGSTOP')
  const unanswered = assert.rejects(client.query('select 1'))
  process.kill(embedded.pid ?? 0, 'SIGKILL')
  const answers = (): Promise<boolean> =>
    ask(embedded.url, 'select 1').then(
      () => true,
      () => false,
    )
  await until('the next one answers', answers)
  await unanswered
  assert.equal(isRunning(backend), false)
  await embedded.stop()
})

test('a data folder that cannot be is an error at once', async () => {
  const file = join(root, 'file')
  writeFileSync(file, '')
  for (const folder of ['/proc/x', '/proc/x/y', file, join(file, 'x')])
    await assert.rejects(lockFolder(folder), { code: 'data-folder', message: new RegExp(`the data folder ${folder} `) })
})

test('one server on one data folder, until it ends', async () => {
  const folder = join(root, 'locked')
  const lock = await lockFolder(folder)
  await assert.rejects(lockFolder(`${folder}/../locked`), { code: 'folder-in-use', message: new RegExp(`process ${process.pid}\\)`) })
  await lock.release()
  await (await lockFolder(folder)).release()
})

const debian = '/usr/lib/postgresql/15/bin'
test('the migrations work on PostgreSQL 15', {
  skip: existsSync(debian) ? false : `${debian} is not there (apt-get install postgresql-15)`,
}, async () => {
  const { migrate } = await import('../migrate.ts')
  const folder = mkdtempSync('/tmp/stemma-pg15-')
  const asNobody = process.getuid?.() === 0 ? ['/usr/bin/setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'] : []
  const run = (...words: string[]): void =>
    void execFileSync([...asNobody, ...words][0] ?? '', [...asNobody, ...words].slice(1), { stdio: 'ignore', cwd: '/' })
  chmodSync(folder, 0o777)
  try {
    run(`${debian}/initdb`, '-N', '-A', 'trust', '-U', 'stemma', '-E', 'UTF8', '--locale=C', '-D', `${folder}/cluster`)
    run(`${debian}/pg_ctl`, '-w', '-D', `${folder}/cluster`, '-o', `-F -k ${folder} -c listen_addresses=`, '-l', `${folder}/log`, 'start')
    try {
      const url = `postgresql://stemma:@/postgres?host=${encodeURIComponent(folder)}`
      assert.ok((await migrate({ url, log, mayApply: true })).length > 0)
      const database = new Database({ url, poolSize: 2, log })
      await database.probe()
      await database.close()
    } finally {
      run(`${debian}/pg_ctl`, '-w', '-D', `${folder}/cluster`, '-m', 'immediate', 'stop')
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
