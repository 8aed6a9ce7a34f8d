// How much an owner may store: refused during the upload, in each protocol's words, with nothing left behind, also when several come at once
// (docs/design/limits.md).
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { request } from 'node:http'
import { after, before, describe, it } from 'node:test'
import type pg from 'pg'
import type { TestAccount } from '../support/accounts.ts'
import { stemma } from '../support/command.ts'
import { assertStoredAgain, openDatabase, stored } from '../support/database.ts'
import { Forks } from '../support/forks.ts'
import { type Host, openHost, stemmaOnly } from '../support/host.ts'
import { seededBytes } from '../support/random.ts'

let host: Host
let forks: Forks
let database: pg.Client
const KiB = 1024

interface Owner extends TestAccount {
  readonly setQuota: (limitBytes: number | null) => Promise<void>
  readonly usage: () => Promise<{
    limit_bytes: number | null
    used_bytes: { total: number; git: number; lfs: number; packages: number }
    left_bytes: number | null
  }>
  readonly url: (name: string) => string
}

async function makeOwner(login: string, limitBytes: number | null): Promise<Owner> {
  const account = await forks.account(login)
  const path = `/api/v3/users/${login}/quota`
  const setQuota = async (limit: number | null) => {
    const answer = await host.server.api('PUT', path, { limit_bytes: limit })
    assert.equal(answer.status, 200, JSON.stringify(answer.body))
  }
  if (limitBytes !== null) await setQuota(limitBytes)
  const usage = async () => {
    const answer = await host.server.api('GET', path, undefined, account.token)
    assert.equal(answer.status, 200, JSON.stringify(answer.body))
    return answer.body
  }
  return { ...account, setQuota, usage, url: (name) => forks.url(account, name) }
}

let trees = 0
/** A work tree with a file of that size, which doesn't compress. */
async function workTree(sizeBytes: number): Promise<string> {
  const work = host.folder.join(`work-${trees++}`)
  await host.git.run(['init', '-q', work])
  await host.git.commit(work, { 'noise.bin': seededBytes(work, sizeBytes) })
  return work
}

const push = (work: string, url: string, ...refs: string[]) =>
  host.git.run(['push', url, ...(refs.length > 0 ? refs : ['main'])], { cwd: work, mayFail: true })

describe('quotas', stemmaOnly, () => {
  before(async () => {
    host = await openHost('quotas', { STEMMA_GIT_TAIL_BYTES: '64KiB', STEMMA_QUOTA_OWNER_BYTES: '20MiB' })
    forks = Forks.open(host.server)
    database = await openDatabase(host.server)
  })
  after(async () => {
    await database?.end()
    await forks?.close()
    await host?.close()
  })

  for (const [size, kind] of [
    [40 * KiB, 'a tail'],
    [3 << 20, 'a key of the bucket'],
  ] as const) {
    it(`a push that goes past it is refused in git’s form, and leaves nothing (${kind})`, async () => {
      const owner = await makeOwner(`small-${size}`, 32 * KiB)
      const first = await push(await workTree(10 * KiB), owner.url('app'))
      assert.equal(first.code, 0, first.stderr)
      const before = await stored(host.server, database)
      const refused = await push(await workTree(size), owner.url('app'), '+main')
      assert.equal(refused.code, 1)
      assert.match(refused.stderr, /remote: fatal: the owner’s storage quota is exceeded: 2\d\.\d KiB is left of 32\.0 KiB; make room/)
      assert.match(refused.stderr, /! \[remote rejected\] main -> main \(unpacker error\)/)
      await assertStoredAgain(host.server, database, before)
      assert.ok((await owner.usage()).used_bytes.total < 20 * KiB)
    })
  }

  it('a repository that the push would make isn’t made', async () => {
    const owner = await makeOwner('newcomer', 0)
    const { rows: before } = await database.query('select count(*) from repository')
    const refused = await push(await workTree(KiB), owner.url('app'))
    assert.match(refused.stderr, /storage quota is exceeded: nothing is left of 0 bytes/)
    assert.deepEqual((await database.query('select count(*) from repository')).rows, before)
  })

  it('what stores nothing goes on: new names for what is there, deletions', async () => {
    const owner = await makeOwner('full', 32 * KiB)
    const work = await workTree(20 * KiB)
    assert.equal((await push(work, owner.url('app'))).code, 0)
    await owner.setQuota(0)
    assert.equal((await push(work, owner.url('app'), 'main:another')).code, 0)
    assert.equal((await push(work, owner.url('app'), ':another')).code, 0)
    await host.git.commit(work, { more: 'one line\n' })
    assert.equal((await push(work, owner.url('app'))).code, 1)
    await owner.setQuota(null)
    assert.equal((await push(work, owner.url('app'))).code, 0)
  })

  it('several at once don’t go past it together', async () => {
    const limit = 300 * KiB
    const owner = await makeOwner('crowd', limit)
    assert.equal((await push(await workTree(KiB), owner.url('seed'))).code, 0)
    const works = await Promise.all(Array.from({ length: 5 }, () => workTree(100 * KiB)))
    const results = await Promise.all(works.map(async (work, i) => push(work, owner.url(`app-${i}`))))
    assert.equal(results.filter(({ code }) => code === 0).length, 2, results.map(({ stderr }) => stderr).join('\n'))
    const { rows } = await database.query('select used_bytes from owner_quota where owner_id = $1', [owner.id])
    assert.ok(rows[0].used_bytes <= limit, String(rows[0].used_bytes))
    assert.ok((await owner.usage()).used_bytes.total <= limit)
    const { rows: intents } = await database.query('select count(*)::int as n from upload_intent')
    assert.equal(intents[0].n, 0)
  })

  it('what is deleted makes room at once', async () => {
    const owner = await makeOwner('mover', 120 * KiB)
    assert.equal((await push(await workTree(100 * KiB), owner.url('old'))).code, 0)
    const work = await workTree(100 * KiB)
    assert.equal((await push(work, owner.url('new'))).code, 1)
    assert.equal((await host.server.api('DELETE', '/api/v3/repos/mover/old', undefined, owner.token)).status, 204)
    assert.equal((await push(work, owner.url('new'))).code, 0)
  })

  it('what is pushed to a fork is the fork’s owner’s, not the source’s', async () => {
    const [source, forker] = [await makeOwner('source', 400 * KiB), await makeOwner('forker', 150 * KiB)]
    const work = await workTree(200 * KiB)
    assert.equal((await push(work, source.url('app'))).code, 0)
    const before = await source.usage()
    const fork = await forks.fork(['source', 'app'], forker, 'mine', 'private')
    assert.equal((await forker.usage()).used_bytes.total, 0)
    await host.git.commit(work, { 'noise-2.bin': seededBytes('fork', 100 * KiB) })
    assert.equal((await push(work, fork)).code, 0)
    const [ofSource, ofForker] = [await source.usage(), await forker.usage()]
    assert.ok(Math.abs(ofSource.used_bytes.git - before.used_bytes.git) <= 1, JSON.stringify([before, ofSource]))
    assert.ok(ofForker.used_bytes.git > 100 * KiB && ofForker.used_bytes.git < 110 * KiB, JSON.stringify(ofForker))
    await host.git.commit(work, { 'noise-3.bin': seededBytes('fork 2', 100 * KiB) })
    assert.match((await push(work, fork)).stderr, /storage quota is exceeded/)
    // a fork that goes doesn't make its bytes the source's
    assert.equal((await host.server.api('DELETE', '/api/v3/repos/forker/mine', undefined, forker.token)).status, 204)
    assert.ok(Math.abs((await source.usage()).used_bytes.git - before.used_bytes.git) <= 1)
  })

  it('LFS: the batch says what there is no room for, and an upload is cut off as soon as it goes past', async () => {
    const owner = await makeOwner('lars', 100 * KiB)
    assert.equal((await push(await workTree(KiB), owner.url('app'))).code, 0)
    const base = `${host.server.url}/lars/app.git/info/lfs`
    const authorization = `Bearer ${owner.token}`
    const [small, large] = [seededBytes('small', 60 * KiB), seededBytes('large', 60 * KiB)].map((bytes) => ({
      oid: createHash('sha256').update(bytes).digest('hex'),
      size: bytes.length,
      bytes,
    }))
    assert.ok(small && large)
    const batch = async (...objects: { oid: string; size: number }[]) => {
      const body = JSON.stringify({ operation: 'upload', objects: objects.map(({ oid, size }) => ({ oid, size })) })
      const headers = { authorization, 'content-type': 'application/vnd.git-lfs+json' }
      return (await (await fetch(`${base}/objects/batch`, { method: 'POST', headers, body })).json()) as {
        objects: { actions?: object; error?: { code: number; message: string } }[]
      }
    }
    const put = async ({ oid, bytes }: { oid: string; bytes: Buffer }) =>
      fetch(`${base}/objects/${oid}`, { method: 'PUT', headers: { authorization }, body: Uint8Array.from(bytes) })
    const both = await batch(small, large)
    assert.deepEqual([Object.keys(both.objects[0]?.actions ?? {}), both.objects[1]?.error?.code], [['upload', 'verify'], 507])
    assert.match(both.objects[1]?.error?.message ?? '', /storage quota is exceeded: 3\d\.\d KiB is left of 100\.0 KiB/)
    const before = await database.query('select count(*)::int as n from content')
    const refused = await Promise.all([put(small), put(large)])
    assert.deepEqual(refused.map(({ status }) => status).sort(), [200, 507])
    const loser = refused.find(({ status }) => status === 507)
    assert.match(loser === undefined ? '' : await loser.text(), /quota is exceeded/)
    const { rows } = await database.query(
      'select count(*)::int as n from lfs_object where repository_id in (select id from repository where owner_id = $1)',
      [owner.id],
    )
    assert.equal(rows[0].n, 1)
    assert.equal((await owner.usage()).used_bytes.lfs, 60 * KiB)
    // what is there already is no more than it was
    const winner = refused[0]?.status === 200 ? small : large
    assert.equal((await put(winner)).status, 200)
    // at most what came whole before it was its turn: it is held by nobody, and collected
    const held = await database.query('select count(*)::int as n from content_reference')
    assert.equal(held.rows[0].n, 1)
    assert.ok((await database.query('select count(*)::int as n from content')).rows[0].n <= before.rows[0].n + 2)
    const endless = await putEndlessly(`${base}/objects/${'0'.repeat(64)}`, authorization)
    assert.equal(endless.status, 507)
    assert.ok(endless.sentBytes < 8 << 20, `${endless.sentBytes} bytes were taken`)
  })

  it('writes by the API are 403, and leave nothing', async () => {
    const owner = await makeOwner('wendy', 40 * KiB)
    assert.equal((await push(await workTree(KiB), owner.url('app'))).code, 0)
    const before = await stored(host.server, database)
    const content = seededBytes('api', 60 * KiB).toString('base64')
    const write = (method: string, path: string, body: object) =>
      host.server.api(method, `/api/v3/repos/wendy/app/${path}`, body, owner.token)
    for (const answer of [
      await write('PUT', 'contents/more.bin', { message: 'more', content }),
      await write('POST', 'git/blobs', { content, encoding: 'base64' }),
    ]) {
      assert.equal(answer.status, 403, JSON.stringify(answer.body))
      assert.match(answer.body.message, /storage quota is exceeded/)
      assert.deepEqual(Object.keys(answer.body).sort(), ['documentation_url', 'message', 'status'])
    }
    await assertStoredAgain(host.server, database, before)
    assert.equal((await write('PUT', 'contents/small.txt', { message: 'less', content: 'bGVzcw==' })).status, 201)
  })

  it('a fork’s LFS objects are its owner’s to answer for', async () => {
    await makeOwner('short', 10 * KiB).then(async (short) => {
      const answer = await host.server.api('POST', '/api/v3/repos/lars/app/forks', {}, short.token)
      assert.equal(answer.status, 404) // private
      await host.server.api('PATCH', '/api/v3/repos/lars/app', { private: false })
      const refused = await host.server.api('POST', '/api/v3/repos/lars/app/forks', {}, short.token)
      assert.deepEqual([refused.status, /quota is exceeded/.test(refused.body.message)], [403, true], JSON.stringify(refused.body))
      assert.equal((await host.server.api('GET', '/api/v3/repos/short/app')).status, 404)
    })
  })

  it('the API sets and shows it, and both stand in the audit', async () => {
    const owner = await makeOwner('Paula', null)
    const path = '/api/v3/users/paula/quota'
    assert.deepEqual((await host.server.api('GET', path, undefined, owner.token)).body, {
      limit_bytes: 20 << 20,
      limit_is_own: false,
      used_bytes: { total: 0, git: 0, lfs: 0, packages: 0 },
      left_bytes: 20 << 20,
    })
    const stranger = await forks.account('stranger')
    assert.equal((await host.server.api('GET', path, undefined, stranger.token)).status, 403)
    assert.equal((await host.server.api('PUT', path, { limit_bytes: 1 }, owner.token)).status, 403)
    for (const bad of [{}, { limit_bytes: -1 }, { limit_bytes: 1.5 }, { limit_bytes: '1' }, { limit_bytes: 1e300 }])
      assert.equal((await host.server.api('PUT', path, bad)).status, 422, JSON.stringify(bad))
    assert.equal((await host.server.api('PUT', path, { limit_bytes: null })).body.left_bytes, null)
    assert.equal((await host.server.api('DELETE', path)).status, 204)
    const { rows } = await database.query(
      "select action, actor, target, details from audit where action like 'quota.%' and owner_id = $1 order by id",
      [owner.id],
    )
    assert.deepEqual(rows, [
      { action: 'quota.set', actor: 'admin', target: 'Paula', details: { limitBytes: null } },
      { action: 'quota.clear', actor: 'admin', target: 'Paula', details: {} },
    ])
  })

  it('the command does the same', async () => {
    await makeOwner('carl', null)
    const run = async (...args: string[]) => stemma(['quota', ...args, '--data', host.server.data])
    const set = await run('set', 'carl', '10GiB', '--json')
    assert.deepEqual(
      [set.code, JSON.parse(set.stdout)],
      [0, { owner: 'carl', limitBytes: 10 * 2 ** 30, isOwnLimit: true, usedBytes: 0, gitBytes: 0, lfsBytes: 0, packageBytes: 0 }],
    )
    assert.match(
      (await run('show', 'carl')).stdout,
      /^carl stores 0 bytes \(packs 0 bytes, LFS 0 bytes, packages 0 bytes\), of 10\.0 GiB\n$/,
    )
    assert.match((await run('set', 'carl', 'none')).stdout, /no limit/)
    assert.match((await run('clear', 'carl')).stdout, /of 20\.0 MiB \(the server’s limit\)/)
    const wrong = await run('set', 'carl', 'much')
    assert.deepEqual([wrong.code, /'much' is no size/.test(wrong.stderr)], [2, true], wrong.stderr)
    assert.match((await run('show', 'nobody')).stderr, /there is no account 'nobody'/)
  })
})

/** Sends until the server stops taking it. */
function putEndlessly(url: string, authorization: string): Promise<{ status: number; sentBytes: number }> {
  return new Promise((resolve, reject) => {
    let sentBytes = 0
    let isOver = false
    const call = request(url, { method: 'PUT', headers: { authorization } }, (answer) => {
      isOver = true
      answer.resume()
      resolve({ status: answer.statusCode ?? 0, sentBytes })
      call.destroy()
    })
    call.on('error', (error) => (isOver ? undefined : reject(error)))
    const piece = Buffer.alloc(64 * KiB, 'x')
    const send = (): void => {
      if (isOver) return
      sentBytes += piece.length
      call.write(piece, () => setImmediate(send))
    }
    send()
  })
}
