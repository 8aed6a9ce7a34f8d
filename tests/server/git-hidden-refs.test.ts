// Hidden refs: they are neither listed nor to be had, by any way that a fetch knows, unless the settings say that their tips are.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { command, post, refusalOf, sectionsOf, textOf } from '../support/fetch-wire.ts'
import type { Git } from '../support/git.ts'
import { type Host, openHost, stemmaOnly } from '../support/host.ts'
import { flush, pkt } from '../support/wire.ts'

let host: Host
let git: Git
let work: string
let url: string
let main: string
/** The tip of a hidden ref, and its parent, which nothing visible reaches either. */
let tip: string
let below: string
let next = 0

before(async () => {
  host = await openHost('hidden-refs')
  git = host.git
  work = await git.makeRepository(host.folder.join('work'), 6)
  await git.run(['switch', '-q', '-c', 'secret', 'main~2'], { cwd: work })
  below = await git.commit(work, { 'secret.txt': 'below\n' }, 'below')
  tip = await git.commit(work, { 'secret.txt': 'tip\n' }, 'tip')
  await git.run(['tag', '-a', '-m', 'of a secret', 'sealed', 'secret'], { cwd: work })
  main = await git.read(['rev-parse', 'main'], { cwd: work })
  if (host.kind !== 'stemma') return
  url = await host.create('hidden')
  await git.run(['push', '-q', url, 'main', 'main~1:refs/pull/1/head', 'secret:refs/pull/2/head', 'sealed'], { cwd: work })
  await host.configure('hidden', { 'transfer.hideRefs': ['refs/pull', 'refs/tags/sealed', '!refs/pull/1'] })
})
after(async () => await host?.close())

const target = () => host.folder.join(`clone-${next++}`)
const versions = ['0', '1', '2']

describe('hidden refs', stemmaOnly, () => {
  it('are not listed, and the last pattern that matches wins', async () => {
    for (const version of versions) {
      const listed = await git.read(['-c', `protocol.version=${version}`, 'ls-remote', url])
      const names = listed.split('\n').map((line) => line.split('\t')[1])
      assert.deepEqual(names, ['HEAD', 'refs/heads/main', 'refs/pull/1/head'])
    }
    assert.deepEqual(textOf(await command(url, 'ls-refs', ['ref-prefix refs/pull/2/', 'ref-prefix refs/tags/'])), ['0000'])
  })

  it('do not come with a mirror, nor does what they alone reach', async () => {
    const clone = target()
    await git.run(['clone', '-q', '--mirror', url, clone])
    for (const oid of [tip, below]) assert.notEqual((await git.run(['cat-file', '-e', oid], { cwd: clone, mayFail: true })).code, 0)
  })

  it('are not to be had by id, tip or not', async () => {
    for (const version of versions) {
      for (const oid of [tip, below, await git.read(['rev-parse', 'sealed'], { cwd: work })]) {
        const clone = target()
        await git.run(['init', '-q', clone])
        const { stderr } = await git.run(['-c', `protocol.version=${version}`, 'fetch', url, oid], { cwd: clone, mayFail: true })
        assert.match(stderr, new RegExp(`remote error: upload-pack: not our ref ${oid}`))
      }
    }
  })

  it('are not told of by an ACK, a size, a limit or patterns', async () => {
    const asked = await command(url, 'fetch', [`want ${main}`, `have ${below}`, `have ${tip}`])
    assert.deepEqual(sectionsOf(asked).sections.get('acknowledgments'), ['NAK'])
    const blob = await git.read(['rev-parse', 'secret:secret.txt'], { cwd: work })
    assert.deepEqual(textOf(await command(url, 'object-info', ['size', `oid ${blob}`])), ['size', `${blob} `, '0000'])
    const not = await command(url, 'fetch', [`want ${main}`, 'deepen-not refs/pull/2/head', 'done'])
    assert.equal(refusalOf(not), 'git upload-pack: deepen-not is not a ref: deepen-not refs/pull/2/head')
    for (const name of [`${tip}:secret.txt`, 'refs/pull/2/head:secret.txt', blob]) {
      const sparse = await command(url, 'fetch', [`want ${main}`, `filter sparse:oid=${name}`, 'done'])
      assert.equal(refusalOf(sparse), `unable to access sparse blob in '${name}'`)
    }
  })

  it('give their tips, and nothing below them, where allowTipSHA1InWant says so', async () => {
    await host.configure('hidden', { 'uploadpack.allowTipSHA1InWant': true })
    const old = await post(url, Buffer.concat([pkt(`want ${tip}`), flush, pkt('done')]))
    assert.equal(old.subarray(8, 12).toString(), 'PACK')
    const clone = target()
    await git.run(['init', '-q', clone])
    await git.run(['fetch', '-q', url, `${tip}:refs/heads/copy`], { cwd: clone })
    assert.equal(await git.read(['rev-parse', 'copy'], { cwd: clone }), tip)
    assert.equal(refusalOf(await command(url, 'fetch', [`want ${below}`, 'done'])), `upload-pack: not our ref ${below}`)
    await host.configure('hidden', { 'uploadpack.allowTipSHA1InWant': [] })
    assert.equal(refusalOf(await command(url, 'fetch', [`want ${tip}`, 'done'])), `upload-pack: not our ref ${tip}`)
  })

  it('or not: versions 0 and 1 take tips alone where allowReachableSHA1InWant is off', async () => {
    const under = await git.read(['rev-parse', 'main~3'], { cwd: work })
    const asked = async (oid: string) => (await post(url, Buffer.concat([pkt(`want ${oid}`), flush, pkt('done')]))).toString('latin1')
    assert.match(await asked(under), /^0008NAK\nPACK/)
    await host.configure('hidden', { 'uploadpack.allowReachableSHA1InWant': false })
    assert.equal((await asked(under)).slice(4), `ERR upload-pack: not our ref ${under}`)
    assert.match(await asked(main), /^0008NAK\nPACK/)
    assert.ok(sectionsOf(await command(url, 'fetch', [`want ${under}`, 'done'])).pack.length > 0)
    await host.configure('hidden', { 'uploadpack.allowReachableSHA1InWant': [] })
  })

  it('are shown again as soon as the setting goes', async () => {
    await host.configure('hidden', { 'transfer.hideRefs': [] })
    assert.match(await git.read(['ls-remote', url]), /refs\/pull\/2\/head/)
    await host.configure('hidden', { 'uploadpack.hideRefs': ['refs/pull'] })
    assert.doesNotMatch(await git.read(['ls-remote', url]), /refs\/pull/)
    await host.configure('hidden', { 'uploadpack.hideRefs': [], 'receive.hideRefs': ['refs/pull'] })
    assert.match(await git.read(['ls-remote', url]), /refs\/pull\/2\/head/)
  })
})

describe('HEAD', stemmaOnly, () => {
  it('is a ref of its own: it stays when its branch is hidden, and goes by its name', async () => {
    const own = await host.create('head')
    await git.run(['push', '-q', own, 'main', 'main~1:refs/heads/side'], { cwd: work })
    await host.configure('head', { 'transfer.hideRefs': ['refs/heads/main'] })
    for (const version of versions) {
      const listed = await git.read(['-c', `protocol.version=${version}`, 'ls-remote', own])
      assert.deepEqual(
        listed.split('\n').map((line) => line.split('\t')[1]),
        ['HEAD', 'refs/heads/side'],
      )
    }
    await git.run(['clone', '-q', own, target()])
    await host.configure('head', { 'transfer.hideRefs': ['HEAD', 'refs/heads/main'] })
    assert.deepEqual(textOf(await command(own, 'ls-refs', ['symrefs', 'unborn'])), [
      `${await git.read(['rev-parse', 'main~1'], { cwd: work })} refs/heads/side`,
      '0000',
    ])
    assert.equal(refusalOf(await command(own, 'fetch', [`want ${main}`, 'done'])), `upload-pack: not our ref ${main}`)
  })
})
