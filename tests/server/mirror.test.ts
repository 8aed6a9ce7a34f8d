// `stemma mirror` between two Stemmas, and to git http-backend: both ways, by command and as the server's own work; failures are shown, secrets
// are not.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { stemma } from '../support/command.ts'
import { openDatabase } from '../support/database.ts'
import { Forks } from '../support/forks.ts'
import { openFront } from '../support/front.ts'
import { contentOf } from '../support/git.ts'
import { type Host, openHost, stemmaOnly } from '../support/host.ts'
import { blob, commit, PackBuilder, tree } from '../support/pack-builder.ts'
import { isPeerInstalled, Peer } from '../support/peer.ts'
import { Server } from '../support/server.ts'
import { push, zeroId } from '../support/wire.ts'
import { encodeBand, encodePkt, flushPkt } from '../../src/git/format/pkt-line.ts'

let host: Host
let elsewhere: Server
let tokenFile: string
before(async () => {
  if (stemmaOnly.skip !== undefined) return
  host = await openHost('mirror')
  elsewhere = await Server.start({ data: host.folder.join('elsewhere') })
  tokenFile = host.folder.join('token')
  writeFileSync(tokenFile, elsewhere.token)
})
after(async () => {
  await elsewhere?.stop()
  await host?.close()
})

/** Runs a mirror command here; nothing that it says may hold a secret. */
async function mirror(...args: readonly string[]) {
  const done = await stemma(['mirror', ...args, '--data', host.server.data])
  const said = `${done.stdout}${done.stderr}`
  assert.equal(said.includes(elsewhere.token) || said.includes(Buffer.from(elsewhere.token).toString('base64').slice(0, 20)), false, said)
  return { ...done, said }
}

async function added(...args: readonly string[]): Promise<void> {
  const { code, said } = await mirror('add', ...args)
  assert.equal(code, 0, said)
}

async function state(name: string) {
  const { stdout } = await mirror('list', '--json')
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
    .find((one) => one.repository === `admin/${name}`)
}

/** A mirror that was just added is due: the server may be first. Waits until a run has ended, whoever did it. */
async function firstRun(name: string): Promise<void> {
  for (;;) {
    await mirror('run', `admin/${name}`)
    const { succeededAt, error } = await state(name)
    assert.equal(error, null)
    if (succeededAt !== null) return
    await sleep(200)
  }
}

async function content(url: string): Promise<{ objects: string; refs: string; head: string }> {
  const clone = host.folder.join(`clone-${randomBytes(4).toString('hex')}.git`)
  await host.git.run(['clone', '-q', '--mirror', url, clone])
  await host.git.run(['fsck', '--full', '--strict'], { cwd: clone })
  return { ...(await contentOf(host.git, clone)), head: await host.git.read(['symbolic-ref', 'HEAD'], { cwd: clone }) }
}

async function makeSource(name: string, initArgs: readonly string[] = []): Promise<string> {
  const path = await host.git.makeRepository(host.folder.join(name), 20, initArgs)
  await host.git.run(['tag', '-a', 'v1', '-m', 'tag', 'HEAD~2'], { cwd: path })
  await host.git.run(['branch', 'side/way', 'HEAD~7'], { cwd: path })
  await host.git.run(['update-ref', 'refs/pull/1/head', 'HEAD~3'], { cwd: path })
  return path
}

/** A commit, a branch moved back, one deleted, one in the place of another's folder. */
async function change(path: string): Promise<void> {
  await host.git.commit(path, { [`new-${randomBytes(2).toString('hex')}`]: 'new\n' })
  await host.git.run(['branch', '-f', 'back', 'HEAD~5'], { cwd: path })
  await host.git.run(['branch', '-D', 'side/way'], { cwd: path })
  await host.git.run(['branch', 'side'], { cwd: path })
}

test('pull: a new repository follows the other, through moved, deleted and renamed refs and another HEAD', stemmaOnly, async () => {
  for (const format of ['sha1', 'sha256']) {
    const name = `pull-${format}`
    const source = await makeSource(name, [`--object-format=${format}`])
    const url = await elsewhere.create(name, { private: true, object_format: format })
    await host.git.run(['push', '-q', '--mirror', url], { cwd: source })
    const bare = elsewhere.repositoryUrl(name, '')
    assert.equal((await mirror('add', `admin/${name}`, bare, '--every', '1h', '--token-file', tokenFile)).code, 0)
    await firstRun(name)
    assert.deepEqual(await content(host.server.repositoryUrl(name)), await content(url))
    assert.match((await mirror('run', `admin/${name}`)).stdout, new RegExp(`^in step\tadmin/${name}\tpull\t${bare}\tnothing new`))
    await change(source)
    await host.git.run(['push', '-q', '--mirror', url], { cwd: source })
    assert.equal((await elsewhere.api('PATCH', `/api/v3/repos/admin/${name}`, { default_branch: 'side' })).status, 200)
    assert.match((await mirror('run', `admin/${name}`)).stdout, /2 refs created, 1 moved, 1 deleted/)
    const there = await content(url)
    assert.equal(there.head, 'refs/heads/side')
    assert.deepEqual(await content(host.server.repositoryUrl(name)), there)
    const now = await state(name)
    assert.deepEqual([now.failures, now.error, now.hasSecret, now.everyS], [0, null, true, 3600])
  }
})

test('pull of some refs leaves the others alone', stemmaOnly, async () => {
  const source = await makeSource('some')
  const url = await elsewhere.create('some')
  await host.git.run(['push', '-q', '--mirror', url], { cwd: source })
  const here = await host.create('some-here')
  await host.git.run(['push', '-q', here, 'main:refs/heads/own'], { cwd: source })
  await added('admin/some-here', url, '--refs', 'refs/heads/side/*,refs/tags/*')
  await firstRun('some-here')
  const refs = await host.git.read(['ls-remote', '--refs', here])
  assert.deepEqual(
    refs.split('\n').map((line) => line.split('\t')[1]),
    ['refs/heads/own', 'refs/heads/side/way', 'refs/tags/v1'],
  )
})

test('push: the other becomes what this is, forced and pruned; what it refuses is told', stemmaOnly, async () => {
  const source = await makeSource('push')
  const here = await host.create('push')
  await host.git.run(['push', '-q', '--mirror', here], { cwd: source })
  const there = await elsewhere.create('push-there')
  const added = await mirror('add', 'admin/push', there, '--push', '--refs', 'refs/*')
  assert.equal(added.code, 0, added.said)
  await firstRun('push')
  assert.deepEqual({ ...(await content(there)), head: '' }, { ...(await content(here)), head: '' })
  await change(source)
  await host.git.run(['push', '-q', '--mirror', here], { cwd: source })
  assert.match((await mirror('run', 'admin/push')).stdout, /2 refs created, 1 moved, 1 deleted/)
  assert.deepEqual({ ...(await content(there)), head: '' }, { ...(await content(here)), head: '' })
  await host.git.run(['push', '-q', there, '+HEAD~4:refs/heads/main', 'HEAD:refs/heads/extra'], { cwd: source })
  assert.match((await mirror('run', 'admin/push')).stdout, /0 refs created, 1 moved, 1 deleted/)
  assert.deepEqual({ ...(await content(there)), head: '' }, { ...(await content(here)), head: '' })
  assert.equal(
    (await elsewhere.api('PATCH', '/api/v3/repos/admin/push-there/git-config', { 'receive.denydeletes': ['true'] })).status < 300,
    true,
  )
  await host.git.run(['push', '-q', here, ':refs/heads/back'], { cwd: source })
  const refused = await mirror('run', 'admin/push')
  assert.equal(refused.code, 1)
  assert.match(refused.stdout, /^failed\tadmin\/push\tpush\t.*1 ref was refused there: refs\/heads\/back \(.*\)$/m)
})

const peerOnly = stemmaOnly.skip === undefined && isPeerInstalled() ? {} : { skip: 'needs Debian’s apache2 and git' }
test('push and pull with git http-backend', peerOnly, async () => {
  const peer = await Peer.start(host.folder)
  try {
    const source = await makeSource('to-peer')
    writeFileSync(`${source}/big`, randomBytes(3 << 20)) // more than is sent as a whole
    await host.git.commit(source, {})
    const here = await host.create('to-peer')
    await host.git.run(['push', '-q', '--mirror', here], { cwd: source })
    await peer.create('from-stemma')
    await added('admin/to-peer', peer.repositoryUrl('from-stemma'), '--push', '--refs', 'refs/*')
    await firstRun('to-peer')
    assert.deepEqual(await content(peer.repositoryUrl('from-stemma')), await content(here))
    await change(source)
    await host.git.run(['push', '-q', '--mirror', here], { cwd: source })
    assert.match((await mirror('run', 'admin/to-peer')).stdout, /2 refs created, 1 moved, 1 deleted/)
    await added('admin/back', peer.repositoryUrl('from-stemma'))
    await firstRun('back')
    assert.deepEqual(await content(host.server.repositoryUrl('back')), await content(here))
  } finally {
    await peer.stop()
  }
})

test('the server does it by itself, and tells the outbox', stemmaOnly, async () => {
  const source = await makeSource('by-itself')
  const url = await elsewhere.create('by-itself')
  await host.git.run(['push', '-q', '--mirror', url], { cwd: source })
  await added('admin/by-itself', url, '--every', '10s')
  const until = async (done: () => Promise<boolean>) => {
    for (let tries = 0; !(await done()); tries++) {
      assert.ok(tries < 300, `nothing happened; the server said:\n${host.server.output.slice(-2000)}`)
      await sleep(300)
    }
  }
  await until(async () => (await state('by-itself')).succeededAt !== null)
  assert.deepEqual(await content(host.server.repositoryUrl('by-itself')), await content(url))
  const commit = await host.git.commit(source, { later: 'later\n' })
  await host.git.run(['push', '-q', '--mirror', url], { cwd: source })
  const here = host.server.repositoryUrl('by-itself')
  await until(async () => (await host.git.read(['ls-remote', here, 'refs/heads/main'])).startsWith(commit))
  const database = await openDatabase(host.server)
  try {
    const { rows } = await database.query(
      `select o.payload->'changes' as changes from outbox o join repository r on r.id = o.repository_id
       where r.name = 'by-itself' and o.payload->>'reason' = 'mirror' order by o.id desc limit 1`,
    )
    assert.deepEqual(
      rows[0].changes.map((one: { ref: string; after: string }) => [one.ref, one.after]),
      [['refs/heads/main', commit]],
    )
  } finally {
    await database.end()
  }
  await mirror('remove', 'admin/by-itself')
})

test('failures are noted, shown and put off; secrets are kept to themselves; removing forgets them', stemmaOnly, async () => {
  await host.create('failing')
  const wrong = host.folder.join('wrong')
  writeFileSync(wrong, 'not-the-secret-0123456789')
  const there = elsewhere.repositoryUrl('pull-sha1', '')
  await added('admin/failing', there, '--token-file', wrong)
  await mirror('run', 'admin/failing')
  const failed = await mirror('run', 'admin/failing')
  assert.equal(failed.code, 1)
  assert.match(failed.stdout, /access denied \(401; the credentials were refused\)/)
  const listed = await mirror('list')
  assert.match(listed.stdout, /admin\/failing\tpull\t.*\tfailed (2|3) times: .*access denied/)
  for (const text of [listed.said, failed.said, host.server.output]) assert.equal(text.includes('not-the-secret'), false)
  const { failures, dueAt } = await state('failing')
  assert.ok(failures >= 2 && Date.parse(dueAt) - Date.now() > 60_000)
  assert.match((await mirror('add', 'admin/failing', there)).stderr, /the repository follows .* already/)
  assert.match((await mirror('remove', 'admin/failing', 'https://example.com/x')).stderr, /has no mirror to that URL/)
  assert.equal((await mirror('remove', 'admin/failing', there)).code, 0)
  assert.equal(await state('failing'), undefined)
})

test('in a network of forks, a server elsewhere cannot publish a private sibling’s objects by naming them', stemmaOnly, async () => {
  const { git, server } = host
  const file = blob('a secret\n'.repeat(20))
  const top = tree(['100644', 'secret.txt', file.id])
  const secret = { file, tree: top, tip: commit(top.id, [], 'secret\n') }
  const work = await git.makeRepository(host.folder.join('forked'), 4)
  const upstream = await server.create('upstream', { private: false })
  await git.run(['push', '-q', upstream, 'main'], { cwd: work })
  const base = await git.read(['rev-parse', 'main'], { cwd: work })
  const forks = Forks.open(server)
  try {
    const alices = await forks.fork(['admin', 'upstream'], await forks.account('alice'), 'fork', 'private')
    const bobs = await forks.fork(['admin', 'upstream'], await forks.account('bob'), 'fork', 'public')
    const pack = new PackBuilder().addAll(secret.tip, secret.tree, secret.file).build()
    const pushed = await push(alices, [{ old: zeroId, new: secret.tip.id, ref: 'refs/heads/secret' }], pack)
    assert.equal(pushed.refs.get('refs/heads/secret'), 'ok')
    const thief = commit(secret.tree.id, [base], 'names the tree of another\n')
    const before = await git.read(['ls-remote', bobs])
    for (const [tip, objects] of [
      [secret.tip.id, []],
      [thief.id, [thief]],
    ] as const) {
      const front = await openFront('http://127.0.0.1:1', (incoming, outgoing) => {
        const service = incoming.method === 'GET' ? 'advertisement' : 'result'
        outgoing.writeHead(200, { 'content-type': `application/x-git-upload-pack-${service}` })
        if (service === 'advertisement') {
          outgoing.write(encodePkt(`${base} refs/heads/main\0side-band-64k ofs-delta thin-pack symref=HEAD:refs/heads/main\n`))
          outgoing.write(encodePkt(`${tip} refs/heads/theft\n`))
        } else {
          outgoing.write(encodePkt('NAK\n'))
          outgoing.write(encodeBand(1, new PackBuilder().addAll(...objects).build()))
        }
        outgoing.end(flushPkt)
        return true
      })
      try {
        await added('bob/fork', `${front.url}/evil.git`)
        const run = await mirror('run', 'bob/fork')
        const said = run.code === 1 ? run.stdout : (await mirror('list')).stdout
        assert.match(said, /bob\/fork.*(which the origin does not have|missing tree)/)
        assert.equal(await git.read(['ls-remote', bobs]), before)
      } finally {
        await mirror('remove', 'bob/fork')
        await front.close()
      }
    }
  } finally {
    await forks.close()
  }
})

test('wrong command lines', stemmaOnly, async () => {
  const url = elsewhere.repositoryUrl('pull-sha1', '')
  assert.match((await mirror('add', 'admin/x')).stderr, /'stemma mirror add' takes OWNER\/REPO URL/)
  assert.match((await mirror('add', 'x', url)).stderr, /'x' is not OWNER\/REPO/)
  assert.match((await mirror('add', 'admin/x', url, '--pull', '--push')).stderr, /two mirrors/)
  assert.match((await mirror('add', 'admin/x', url, '--every', '1s')).stderr, /--every 1s is no duration of 10 s or more/)
  assert.match((await mirror('add', 'admin/x', url, '--refs', 'main')).stderr, /neither the full name of a ref/)
  assert.match((await mirror('add', 'admin/x', '/srv/x.git')).stderr, /by its https or http URL/)
  assert.match((await mirror('add', 'admin/none', url, '--push')).stderr, /there is no repository 'admin\/none'/)
  assert.match((await mirror('run', 'admin/none')).stderr, /there is no repository 'admin\/none'/)
})
