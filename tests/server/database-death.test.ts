// The embedded PostgreSQL is killed while requests run, and the server is told to stop in the worst moments: every request ends, the server
// lives on or ends in a bounded time, and nothing is left behind.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { after, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Git, type GitResult, TempFolder } from '../support/git.ts'
import { processEntry } from '../support/process.ts'
import { adminToken, Server } from '../support/server.ts'

const temp = new TempFolder('database-death')
const git = new Git(temp)
after(() => temp.remove())

async function until(what: string, check: () => boolean | Promise<boolean>, limitMs = 20_000): Promise<void> {
  for (const end = performance.now() + limitMs; !(await check()); await sleep(20))
    if (performance.now() > end) assert.fail(`not in time: ${what}`)
}

/** SIGTERM: exit code 0 well before the drain's limit, and PostgreSQL gone. */
async function assertStops(server: Server, what: string): Promise<void> {
  const begun = performance.now()
  const pid = server.databasePid()
  assert.equal(await server.stop(), 0, what)
  assert.ok(performance.now() - begun < 10_000, `${what}: ${Math.round(performance.now() - begun)} ms`)
  assert.ok(pid === null || processEntry(pid)?.name !== 'postgres', `${what}: PostgreSQL is left`)
}

describe('PostgreSQL is killed under pushes and API requests', () => {
  const refusals = /cannot store the push now|returned error: 503|HTTP 503/

  test('every request ends with an answer, the server lives, and then stops', { timeout: 120_000 }, async () => {
    const server = await Server.start({ data: temp.join('under-load') })
    try {
      const url = await server.create('target')
      const work = await git.makeRepository(temp.join('work'), 12)
      const push = (name: string): Promise<GitResult> =>
        git.run(['push', '-q', url, `main:refs/heads/${name}`], { cwd: work, mayFail: true, timeoutMs: 20_000 })
      await push('first')
      const ask = async (path: string): Promise<[number, number]> => {
        const begun = performance.now()
        return [(await server.api('GET', path)).status, performance.now() - begun]
      }
      const paths = ['/api/v3/user', '/api/v3/user/repos', '/api/v3/repos/admin/target', '/health']
      let refused = 0
      for (let round = 0; round < 5; round++) {
        const pushes = Promise.all(Array.from({ length: 8 }, (_, n) => push(`round-${round}/${n}`)))
        await sleep(30 + 40 * round)
        const answers = Promise.all([...paths, ...paths].map(ask))
        await sleep(round)
        assert.ok(server.killDatabase())
        const late = Promise.all(paths.map(ask))
        for (const { code, stderr, ms } of await pushes) {
          if (code !== 0) assert.match(stderr, refusals)
          if (code !== 0) refused += 1
          assert.ok(ms < 15_000, `a push took ${ms} ms`)
        }
        for (const [status, ms] of [...(await answers), ...(await late)]) {
          assert.ok([200, 503].includes(status), `status ${status}`)
          assert.ok(ms < 15_000, `a request took ${ms} ms`)
        }
        // Not by /health, whose answer may be a second old.
        await until('answers again', async () => (await ask('/api/v3/user'))[0] === 200)
      }
      assert.ok(refused > 0, 'some pushes met the death')
      assert.equal((await push('last')).code, 0)
      assert.doesNotMatch(server.output, /nothing caught|"client":\{|submittedNamedStatements/)
      await assertStops(server, 'after five deaths')
    } finally {
      await server.kill()
    }
  })
})

describe('stopping', () => {
  test('SIGTERM at any moment after PostgreSQL was killed', { timeout: 120_000 }, async () => {
    for (const waitMs of [0, 10, 25, 50, 100, 150]) {
      const server = await Server.start({ data: temp.join('relaunch') })
      try {
        assert.ok(server.killDatabase())
        await sleep(waitMs)
        await assertStops(server, `${waitMs} ms after the kill`)
      } finally {
        await server.kill()
      }
    }
  })

  test('the first SIGTERM waits for a request that runs, the second ends at once, and PostgreSQL goes too', async () => {
    const server = await Server.start({ data: temp.join('second') })
    let socket: Socket | undefined
    try {
      await server.create('target')
      const { hostname, port } = new URL(server.url)
      socket = connect(Number(port), hostname)
      socket.on('error', () => {})
      socket.write(
        'POST /admin/target.git/git-receive-pack HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n' +
          `Content-Type: application/x-git-receive-pack-request\r\nAuthorization: Bearer ${adminToken}\r\n\r\n4\r\n00`,
      )
      await sleep(300)
      const databasePid = server.databasePid() ?? 0
      process.kill(server.pid, 'SIGTERM')
      await until('the first signal is taken', () => server.output.includes('"SIGTERM"'))
      await sleep(500)
      assert.equal(server.isRunning, true, 'it waits for the request')
      const begun = performance.now()
      assert.equal(await server.stop(), 143)
      assert.ok(performance.now() - begun < 1000)
      await until('PostgreSQL has ended', () => processEntry(databasePid)?.name !== 'postgres')
    } finally {
      socket?.destroy()
      await server.kill()
    }
  })

  test('a request that never ends is cut off at the end of the drain', async () => {
    const config = temp.join('drain.yaml')
    writeFileSync(config, 'drainTimeoutMs: 1s\n')
    const server = await Server.start({ data: temp.join('drain'), args: ['--config', config] })
    let socket: Socket | undefined
    try {
      const { hostname, port } = new URL(server.url)
      socket = connect(Number(port), hostname)
      socket.on('error', () => {})
      socket.write(`POST /api/v3/user/repos HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nAuthorization: Bearer ${adminToken}\r\n\r\n{`)
      await sleep(300)
      await assertStops(server, 'with a request that waits for its body')
    } finally {
      socket?.destroy()
      await server.kill()
    }
  })
})
