// What a repository's settings allow a push to do, in git's words: deletions, forced updates, hidden refs, HEAD's branch, sizes.
import assert from 'node:assert/strict'
import { request } from 'node:http'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Git } from '../support/git.ts'
import { type Host, openHost, stemmaOnly } from '../support/host.ts'
import { PackBuilder } from '../support/pack-builder.ts'
import { advertisedRefs, push, pushBody, send, zeroId } from '../support/wire.ts'

let host: Host
let git: Git
let work: string
const emptyPack = new PackBuilder().build()

before(async () => {
  host = await openHost('push-policy')
  git = host.git
  work = await git.makeRepository(host.folder.join('work'), 6)
  await git.run(['checkout', '-q', '-b', 'other', 'main~3'], { cwd: work })
  await git.commit(work, { 'other.txt': 'another way\n' })
  await git.run(['tag', '-a', '-m', 'note', 'annotated', 'main~2'], { cwd: work })
})
after(async () => await host?.close())

const id = (name: string) => git.read(['rev-parse', name], { cwd: work })

/** A repository that holds main, other and a tag, with those settings. */
async function create(name: string, settings: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const url = await host.create(name)
  await git.run(['push', '-q', url, 'main', 'other', 'annotated', 'main:refs/custom/x'], { cwd: work })
  await host.configure(name, settings)
  return url
}

/** Pushes and gives what git said; the code must be as expected. */
async function pushes(url: string, refspecs: readonly string[], words: readonly RegExp[], isDone = false): Promise<string> {
  const { code, stderr } = await git.run(['push', url, ...refspecs], { cwd: work, mayFail: true })
  assert.equal(code === 0, isDone, stderr)
  for (const word of words) assert.match(stderr, word)
  return stderr
}

describe('deletions', stemmaOnly, () => {
  it('are denied of branches, not of other refs, where receive.denyDeletes is set', async () => {
    const url = await create('deletes', { 'receive.denyDeletes': true })
    await pushes(
      url,
      [':other'],
      [/remote: error: denying ref deletion for refs\/heads\/other/, /! \[remote rejected\] other \(deletion prohibited\)/],
    )
    await pushes(url, [':annotated', ':refs/custom/x'], [/- \[deleted\] +annotated/, /- \[deleted\] +refs\/custom\/x/], true)
    assert.equal((await advertisedRefs(url)).has('refs/heads/other'), true)
  })

  it('of the current branch: refused with advice, refused, warned of, or done', async () => {
    const url = await create('current')
    const refused = [/remote: error: refusing to delete the current branch: refs\/heads\/main/, /deletion of the current branch prohibited/]
    const said = await pushes(url, [':main'], [...refused, /By default, deleting the current branch is denied/])
    assert.match(said, /receive\.denyDeleteCurrent/)
    await host.configure('current', { 'receive.denyDeleteCurrent': 'refuse' })
    assert.doesNotMatch(await pushes(url, [':main'], refused), /By default/)
    await host.configure('current', { 'receive.denyDeleteCurrent': 'warn' })
    await pushes(url, [':main'], [/remote: warning: deleting the current branch/, /- \[deleted\] +main/], true)
    await git.run(['push', '-q', url, 'main'], { cwd: work })
    await host.configure('current', { 'receive.denyDeleteCurrent': 'ignore' })
    assert.doesNotMatch(await pushes(url, [':main'], [], true), /remote:/)
  })

  it('of what isn’t there are a warning', async () => {
    const url = await create('missing')
    const some = 'ab'.repeat(20)
    const options = { capabilities: 'report-status side-band-64k delete-refs' }
    for (const old of [zeroId, some]) {
      const report = await push(url, [{ old, new: zeroId, ref: 'refs/heads/none' }], Buffer.alloc(0), options)
      assert.equal(report.refs.get('refs/heads/none'), 'ok')
      assert.match(report.text, /^warning: deleting a non-existent ref$/m)
    }
    // a value that the ref might have had: somebody else was faster
    const late = await push(url, [{ old: await id('main'), new: zeroId, ref: 'refs/heads/none' }], Buffer.alloc(0), options)
    assert.equal(late.refs.get('refs/heads/none'), 'reference does not exist')
    // and nothing is deleted whose value isn't told
    const blind = await push(url, [{ old: zeroId, new: zeroId, ref: 'refs/heads/other' }], Buffer.alloc(0), options)
    assert.notEqual(blind.refs.get('refs/heads/other'), 'ok')
    assert.equal((await advertisedRefs(url)).get('refs/heads/other'), await id('other'))
  })
})

describe('updates', stemmaOnly, () => {
  it('that are no fast-forward are denied of branches where receive.denyNonFastForwards is set', async () => {
    const url = await create('forced', { 'receive.denyNonFastForwards': true })
    const words = [
      /remote: error: denying non-fast-forward refs\/heads\/main \(you should pull first\)/,
      /! \[remote rejected\] other -> main \(non-fast-forward\)/,
    ]
    await pushes(url, ['+other:main'], words)
    await pushes(url, ['+main~2:main'], words.slice(0, 1))
    assert.equal((await advertisedRefs(url)).get('refs/heads/main'), await id('main'))
    await pushes(url, ['+other:refs/custom/x', '+main:refs/tags/annotated'], [/forced update/], true)
    // forward again, by a merge that leads to both
    await git.run(['checkout', '-q', '-B', 'merged', 'main'], { cwd: work })
    await git.run(['merge', '-q', '-m', 'merge', 'other'], { cwd: work })
    await pushes(url, ['merged:main', 'merged:other'], [], true)
    await pushes(url, ['+main:main'], words.slice(0, 1))
  })

  it('are told apart whatever the dates are', async () => {
    const at = (seconds: number) => ({ GIT_AUTHOR_DATE: `${seconds} +0000`, GIT_COMMITTER_DATE: `${seconds} +0000` })
    const odd = host.folder.join('odd')
    await git.run(['init', '-q', odd])
    for (const seconds of [1_700_000_000, 1_000_000_000, 1_800_000_000, 1_100_000_000, 1_750_000_000]) {
      await git.run(['commit', '-q', '--allow-empty', '-m', 'x'], { cwd: odd, env: at(seconds) })
    }
    const url = await host.create('odd')
    await git.run(['push', '-q', url, 'main~4:refs/heads/main', 'main~2:refs/heads/near', 'main:refs/heads/far'], { cwd: odd })
    await host.configure('odd', { 'receive.denyNonFastForwards': true })
    await git.run(['push', '-q', url, 'main', 'main:near'], { cwd: odd })
    const back = await git.run(['push', url, '+main~1:far', '+main~4:near'], { cwd: odd, mayFail: true })
    assert.match(back.stderr, /main~1 -> far \(non-fast-forward\)/)
    assert.match(back.stderr, /main~4 -> near \(non-fast-forward\)/)
  })

  it('by an object that is no commit', async () => {
    const url = await create('objects', { 'receive.denyNonFastForwards': true })
    const report = await push(url, [{ old: await id('main'), new: await id('annotated'), ref: 'refs/heads/main' }], emptyPack)
    assert.equal(report.refs.get('refs/heads/main'), 'bad ref')
    await host.configure('objects', { 'receive.denyNonFastForwards': null })
    const plain = await push(url, [{ old: await id('main'), new: await id('annotated'), ref: 'refs/heads/main' }], emptyPack)
    assert.equal(plain.refs.get('refs/heads/main'), 'invalid new value provided')
    assert.match(plain.text, /trying to write non-commit object [0-9a-f]{40} to branch 'refs\/heads\/main'/)
  })

  it('by an old value say what is and what was expected', async () => {
    const url = await create('stale')
    const [main, other] = [await id('main'), await id('other')]
    const report = await push(url, [{ old: other, new: await id('main~1'), ref: 'refs/heads/main' }], emptyPack)
    assert.equal(report.refs.get('refs/heads/main'), 'incorrect old value provided')
    assert.match(report.text, new RegExp(`error: cannot lock ref 'refs/heads/main': is at ${main} but expected ${other}`))
  })
})

describe('refs that are kept from pushers', stemmaOnly, () => {
  it('hidden ones are neither shown nor to be touched', async () => {
    const url = await create('hidden', {
      'transfer.hideRefs': 'refs/custom',
      'receive.hideRefs': ['refs/heads/other', '!refs/custom/shown'],
    })
    const refs = await advertisedRefs(url)
    assert.deepEqual([...refs.keys()].sort(), ['refs/heads/main', 'refs/tags/annotated'])
    await pushes(
      url,
      ['+main:other', 'main:refs/custom/new'],
      [/main -> other \(deny updating a hidden ref\)/, /main -> refs\/custom\/new \(deny updating a hidden ref\)/],
    )
    await pushes(url, ['main:refs/custom/shown'], [/new reference/], true)
    const gone = await push(url, [{ old: await id('other'), new: zeroId, ref: 'refs/heads/other' }], Buffer.alloc(0))
    assert.equal(gone.refs.get('refs/heads/other'), 'deny deleting a hidden ref')
  })

  it('funny names are named', async () => {
    const url = await create('funny')
    const report = await push(url, [{ old: zeroId, new: await id('main'), ref: 'refs/heads/a..b' }], emptyPack)
    assert.equal(report.refs.get('refs/heads/a..b'), 'funny refname')
    assert.match(report.text, /error: refusing to update funny ref 'refs\/heads\/a\.\.b' remotely/)
  })

  it('names in each other’s way', async () => {
    const url = await create('conflict')
    await pushes(
      url,
      ['main:refs/heads/main/below'],
      [
        /cannot lock ref 'refs\/heads\/main\/below': 'refs\/heads\/main' exists; cannot create 'refs\/heads\/main\/below'/,
        /\(refname conflict\)/,
      ],
    )
  })
})

describe('the service', stemmaOnly, () => {
  it('is switched off by http.receivepack', async () => {
    const url = await create('off', { 'http.receivepack': false })
    const path = new URL(url).pathname
    const advertisement = await send(url, `${path}/info/refs?service=git-receive-pack`)
    assert.equal(advertisement.status, 403)
    assert.match(advertisement.body.toString(), /Service not enabled: 'receive-pack'/)
    const pushed = await push(url, [{ old: zeroId, new: await id('main'), ref: 'refs/heads/x' }], emptyPack)
    assert.equal(pushed.status, 403)
    await git.run(['clone', '-q', url, host.folder.join('off')])
    const refused = await git.run(['push', url, 'main:x'], { cwd: work, mayFail: true })
    assert.match(refused.stderr, /403/)
  })

  it('takes packs of receive.maxInputSize and no more', async () => {
    const url = await host.create('sizes')
    await host.configure('sizes', { 'receive.maxInputSize': '2k' })
    await pushes(url, ['main'], [/pack exceeds maximum allowed size/, /\(unpacker error\)/])
    await host.configure('sizes', { 'receive.maxInputSize': 0 })
    await pushes(url, ['main'], [], true)
  })

  it('sends empty frames every receive.keepAlive seconds while the pack is on its way, and none where that is 0', async () => {
    const url = await create('alive', { 'receive.keepAlive': 1 })
    const frame = '0005\x02'
    const body = pushBody([{ old: zeroId, new: await id('main'), ref: 'refs/heads/alive' }], emptyPack, 'report-status side-band-64k')
    const slowly = async (enough: (said: () => string) => Promise<void>) => {
      const { origin, pathname, username, password } = new URL(url)
      const headers = { 'content-type': 'application/x-git-receive-pack-request' }
      const out = request(`${origin}${pathname}/git-receive-pack`, { method: 'POST', auth: `${username}:${password}`, headers })
      let said = ''
      const ended = new Promise((resolve, reject) => {
        out.on('error', reject)
        out.on('response', (answer) => answer.on('data', (part: Buffer) => (said += part.toString('latin1'))).on('end', resolve))
      })
      out.write(body.subarray(0, -emptyPack.length))
      await enough(() => said)
      out.end(emptyPack)
      await ended
      return said
    }
    const told = await slowly(async (said) => {
      while (!said().includes(frame)) await sleep(50)
    })
    assert.match(told, /ok refs\/heads\/alive/)
    await host.configure('alive', { 'receive.keepAlive': 0 })
    const silent = await slowly(() => sleep(1500))
    assert.match(silent, /unpack ok/)
    assert.equal(silent.includes(frame), false)
  })

  it('adopts no HEAD where stemma.adoptHead is off', async () => {
    const url = await host.create('adopt')
    await host.configure('adopt', { 'stemma.adoptHead': false })
    await git.run(['push', '-q', url, 'other'], { cwd: work })
    assert.equal((await host.server.api('GET', '/api/v3/repos/admin/adopt')).body.default_branch, 'main')
  })
})
