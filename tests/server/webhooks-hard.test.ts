// Webhooks when things go wrong: the server dies in the middle, the receiver stands where it must not, the key is another one.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { readFileSync, rmSync, statSync } from 'node:fs'
import { openDatabase } from '../support/database.ts'
import { Git, TempFolder } from '../support/git.ts'
import { onPeer } from '../support/host.ts'
import { isSigned, Receiver, type Received } from '../support/receiver.ts'
import { Server } from '../support/server.ts'
import { until } from '../support/until.ts'

const secret = "It's a Secret to Everybody"
const quick = { STEMMA_HOOKS_FIRST_RETRY_MS: '50ms', STEMMA_HOOKS_TIMEOUT_MS: '2s', STEMMA_HOOKS_TRIES: '2' }

describe('webhooks in trouble', { skip: onPeer ? 'not on the peer' : false }, () => {
  let folder: TempFolder
  let git: Git
  let receiver: Receiver
  const servers: Server[] = []
  before(async () => {
    folder = new TempFolder('webhooks-hard')
    git = new Git(folder)
    receiver = await Receiver.open()
  })
  after(async () => {
    receiver?.close()
    for (const server of servers) await server.stop()
    folder?.remove()
  })

  async function start(name: string, allowed: string): Promise<Server> {
    const server = await Server.start({ data: folder.join(name), env: { ...quick, STEMMA_OUTBOUND_ALLOW_PRIVATE: allowed } })
    servers.push(server)
    return server
  }

  async function addHook(server: Server, name: string, url: string) {
    const answer = await server.api('POST', `/api/v3/repos/admin/${name}/hooks`, { config: { url, content_type: 'json', secret } })
    return { status: answer.status, id: answer.body.id as number, body: answer.body }
  }

  async function log(server: Server, name: string, hook: number, count: number) {
    const url = `/api/v3/repos/admin/${name}/hooks/${hook}/deliveries`
    await until(`${count} deliveries`, async () => (await server.api('GET', url)).body.length >= count)
    return (await server.api('GET', url)).body
  }

  it('what was pushed is told though the server is killed: before it was sent, and while it was', async () => {
    const server = await start('killed', '127.0.0.1')
    const path = await git.makeRepository(folder.join('work'), 1)
    const url = await server.create('killed')
    await addHook(server, 'killed', receiver.url('/killed'))
    await receiver.wait('/killed', 1, 'ping')
    let isHeld = true
    receiver.answer('/killed', (_received, response) => {
      if (!isHeld) response.end()
    })
    await git.run(['push', '-q', url, 'main'], { cwd: path })
    const [held] = (await receiver.wait('/killed', 1)) as [Received]
    // those are in the outbox, and nobody has sent them when the server dies
    for (let n = 0; n < 5; n++) await git.run(['push', '-q', url, `main:branch-${n}`], { cwd: path })
    await server.kill()
    isHeld = false
    const before = receiver.at('/killed').length
    await server.begin()
    const refs = () =>
      new Set(
        receiver
          .at('/killed')
          .slice(before)
          .map(({ payload }) => payload.ref),
      )
    await until('all six were told', () => refs().size === 6)
    const repeated = receiver
      .at('/killed')
      .slice(before)
      .find(({ payload }) => payload.ref === 'refs/heads/main') as Received
    assert.deepEqual([repeated.guid, repeated.body], [held.guid, held.body], 'the same delivery')
    assert.ok(isSigned(repeated, secret))
  })

  it('no private address in whatever spelling is called, neither at once nor by way of a name or a redirect', async () => {
    const server = await start('closed', '')
    const { port } = new URL(receiver.url('/'))
    await server.create('closed')
    const hosts = ['127.0.0.1', '127.1', '2130706433', '0x7f.0.0.1', '0177.0.0.1', '0.0.0.0', '[::1]', '[::]', '[::ffff:127.0.0.1]']
    hosts.push(
      '[::ffff:7f00:1]',
      '[64:ff9b::7f00:1]',
      '[2002:7f00:1::]',
      '169.254.169.254',
      '10.1.2.3',
      '192.168.0.1',
      '172.16.0.1',
      '[fe80::1]',
    )
    for (const host of hosts) {
      const { status, body } = await addHook(server, 'closed', `http://${host}:${port}/closed`)
      assert.equal(status, 422, host)
      assert.match(body.errors[0].message, /private address/, host)
    }
    const byName = await addHook(server, 'closed', `http://localhost:${port}/closed`)
    assert.equal(byName.status, 201, 'a name may lead elsewhere tomorrow')
    const [refused] = await log(server, 'closed', byName.id, 1)
    assert.match(refused.status, /is a private address/)
    assert.equal(refused.status_code, 0)
    assert.equal(receiver.at('/closed').length + receiver.at('/closed', 'ping').length, 0)
    for (const url of ['file:///etc/passwd', 'gopher://127.0.0.1/', 'http://a@example.org/', 'https://example.org:22/', 'javascript:1']) {
      assert.equal((await addHook(server, 'closed', url)).status, 422, url)
    }
  })

  it('the database alone has no secrets; without the key, a signed hook fails and says so', async () => {
    const server = await start('sealed', '127.0.0.1')
    await server.create('sealed')
    const { id } = await addHook(server, 'sealed', receiver.url('/sealed'))
    await log(server, 'sealed', id, 1)
    const database = await openDatabase(server)
    try {
      const { rows } = await database.query('select secret from hook')
      assert.match(rows[0].secret, /^sealed:1:/)
      assert.equal(rows[0].secret.includes(secret), false)
    } finally {
      await database.end()
    }
    const key = folder.join('sealed', 'secret.key')
    assert.equal(statSync(key).mode & 0o777, 0o600)
    assert.equal(Buffer.from(readFileSync(key, 'latin1'), 'base64').length, 32)
    await server.stop()
    rmSync(key)
    await server.begin()
    assert.match(server.output, /sealed with another secretKey/)
    await server.api('POST', `/api/v3/repos/admin/sealed/hooks/${id}/pings`)
    const [failed] = await log(server, 'sealed', id, 2)
    assert.match(failed.status, /the secret could not be opened/)
    assert.equal(receiver.at('/sealed', 'ping').length, 1)
  })
})
