// The server as a process: start, stop, being killed, its database being killed. Nothing acknowledged may be lost and every next start
// must work. STEMMA_TEST_KILL_ROUNDS sets how often it is killed.
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { descendants, processEntry } from '../support/process.ts'
import { Server } from '../support/server.ts'

const rounds = Number(process.env.STEMMA_TEST_KILL_ROUNDS ?? 4)
// A private folder (0700): PostgreSQL, which runs as another user where the tests run as root, has to get through.
const root = mkdtempSync(join(tmpdir(), 'stemma-restart-'))
after(() => rmSync(root, { recursive: true, force: true }))

async function until(what: string, check: () => Promise<boolean>, limitMs = 20_000): Promise<void> {
  for (const end = performance.now() + limitMs; !(await check()); await sleep(25))
    if (performance.now() > end) assert.fail(`not in time: ${what}`)
}

async function health(
  server: Server,
): Promise<{ status: number; body: { status: string; database: { status: string }; bucket: { status: string } } }> {
  return server.api('GET', '/health', undefined, '')
}

describe('killed under a loop of commits', () => {
  let server: Server
  const acknowledged: string[] = []
  let made = 0
  before(async () => {
    server = await Server.start({ data: join(root, 'killed') })
  })
  after(() => server.stop())

  /** Creates repositories, two at a time, until `done`; notes those whose creation was acknowledged. */
  async function commit(done: AbortSignal): Promise<void> {
    while (!done.aborted) {
      const name = `r${made++}`
      const answer = await server.api('POST', '/api/v3/user/repos', { name }).catch(() => null)
      if (answer?.status === 201) acknowledged.push(name)
      else await sleep(10)
    }
  }

  async function assertAllThere(): Promise<void> {
    const found = new Set<string>()
    for (let page = 1; ; page++) {
      const answer = await server.api('GET', `/api/v3/user/repos?per_page=100&page=${page}`)
      assert.equal(answer.status, 200)
      for (const repository of answer.body) found.add(repository.name)
      if (answer.body.length < 100) break
    }
    assert.deepEqual(
      acknowledged.filter((name) => !found.has(name)),
      [],
    )
  }

  for (let round = 0; round < rounds; round++) {
    const victim = round % 2 === 0 ? 'server' : 'database'
    test(`round ${round}: SIGKILL to the ${victim}`, async () => {
      const before = acknowledged.length
      const done = new AbortController()
      const loops = [commit(done.signal), commit(done.signal)]
      await until('some commits', async () => acknowledged.length > before + 3)
      await sleep(Math.random() * 100)
      if (victim === 'server') {
        await server.kill()
        done.abort()
        await Promise.all(loops)
        await server.begin()
      } else {
        assert.equal(server.killDatabase(), true)
        const at = acknowledged.length
        await until('commits again', async () => acknowledged.length > at + 3)
        done.abort()
        await Promise.all(loops)
        await until('health', () => server.isHealthy())
      }
      await assertAllThere()
    })
  }
})

describe('start and stop', () => {
  test('health says what is down, and recovers by itself', async () => {
    const server = await Server.start({ data: join(root, 'health') })
    try {
      assert.deepEqual((await health(server)).body.database, { status: 'ok' })
      const pid = server.databasePid()
      assert.ok(pid !== null)
      const processes = descendants(server.pid).filter((entry) => entry.name === 'postgres')
      for (const entry of processes) process.kill(entry.pid, 'SIGSTOP')
      try {
        await until('503', async () => (await health(server)).status === 503)
        const { body } = await health(server)
        assert.deepEqual([body.status, body.database.status, body.bucket.status], ['unavailable', 'timeout', 'ok'])
      } finally {
        for (const entry of processes) process.kill(entry.pid, 'SIGCONT')
      }
      await until('200', () => server.isHealthy())
      process.kill(pid, 'SIGKILL')
      await until('another PostgreSQL', async () => ![pid, null].includes(server.databasePid()))
      await until('200', () => server.isHealthy())
    } finally {
      await server.stop()
    }
  })

  test('SIGTERM: exit code 0, and PostgreSQL is gone', async () => {
    const server = await Server.start({ data: join(root, 'stop') })
    const pid = server.databasePid() ?? 0
    assert.equal(processEntry(pid)?.name, 'postgres')
    assert.equal(await server.stop(), 0)
    assert.equal(processEntry(pid), null)
  })

  test('a second server on the same data is refused with the first one named', async () => {
    const first = await Server.start({ data: join(root, 'twice') })
    try {
      await assert.rejects(Server.start({ data: join(root, 'twice') }), new RegExp(`process ${first.pid}\\) runs on the data folder`))
      assert.equal(await first.isHealthy(), true)
    } finally {
      await first.stop()
    }
  })

  test('the configured administrator token works, and replaces the one before', async (context) => {
    const data = join(root, 'token')
    const start = async (token: string) => {
      const server = await Server.start({ data, env: { STEMMA_ADMIN_TOKEN: token } })
      context.after(() => server.stop())
      return server
    }
    const [one, two] = ['first-configured-token-0123456789', 'second-configured-token-0123456789']
    const first = await start(one)
    assert.equal((await first.api('GET', '/api/v3/user', undefined, one)).status, 200)
    await first.stop()
    const second = await start(two)
    assert.equal((await second.api('GET', '/api/v3/user', undefined, two)).status, 200)
    assert.equal((await second.api('GET', '/api/v3/user', undefined, one)).status, 401)
  })

  test('without a configured token the first start prints one, once', async () => {
    const data = join(root, 'made')
    mkdirSync(data, { mode: 0o711 })
    chmodSync(data, 0o711)
    const first = await Server.start({ data, env: { STEMMA_ADMIN_TOKEN: '' } })
    const token = /stm_[0-9a-f]{40}/.exec(first.output)?.[0] ?? ''
    assert.equal((await first.api('GET', '/api/v3/user', undefined, token)).body.login, 'admin')
    await first.stop()
    const second = await Server.start({ data, env: { STEMMA_ADMIN_TOKEN: '' } })
    try {
      assert.equal(/stm_/.test(second.output), false)
      assert.equal((await second.api('GET', '/api/v3/user', undefined, token)).status, 200)
    } finally {
      await second.stop()
    }
  })
})
