// The real git against the server: how refs move, and when they must not.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import type { Git } from '../support/git.ts'
import { type Host, openHost, stemmaOnly } from '../support/host.ts'
import { push, zeroId } from '../support/wire.ts'

let host: Host
let git: Git
let work: string

before(async () => {
  host = await openHost('refs')
  git = host.git
  work = await git.makeRepository(host.folder.join('work'), 6)
  await git.run(['branch', 'side', 'main~3'], { cwd: work })
  await git.run(['commit-tree', '-m', 'unrelated', 'main^{tree}'], { cwd: work })
  await git.run(['tag', 'light', 'main~1'], { cwd: work })
  await git.run(['tag', '-a', '-m', 'annotated', 'annotated', 'main~1'], { cwd: work })
  await git.run(['tag', '-a', '-m', 'nested', 'nested', 'annotated'], { cwd: work })
})
after(async () => await host?.close())

async function remoteRefs(url: string): Promise<Map<string, string>> {
  const listed = await git.read(['ls-remote', url])
  const lines = listed === '' ? [] : listed.split('\n')
  return new Map(lines.map((line) => [line.split('\t')[1] ?? '', line.split('\t')[0] ?? '']))
}

const id = async (name: string): Promise<string> => await git.read(['rev-parse', name], { cwd: work })

describe('branches', () => {
  it('takes a forced update and nothing but a forced one', async () => {
    const url = await host.create('forced')
    await git.run(['push', '-q', url, 'main'], { cwd: work })
    const refused = await git.run(['push', url, 'side:main'], { cwd: work, mayFail: true })
    assert.notEqual(refused.code, 0)
    assert.match(refused.stderr, /non-fast-forward/)
    assert.equal((await remoteRefs(url)).get('refs/heads/main'), await id('main'))
    await git.run(['push', '-q', '--force', url, 'side:main'], { cwd: work })
    assert.equal((await remoteRefs(url)).get('refs/heads/main'), await id('side'))
    const lease = `--force-with-lease=main:${await id('main')}`
    const stale = await git.run(['push', lease, url, 'main'], { cwd: work, mayFail: true })
    assert.match(stale.stderr, /stale info/)
    await git.run(['push', '-q', `--force-with-lease=main:${await id('side')}`, url, 'main'], { cwd: work })
    assert.equal((await remoteRefs(url)).get('refs/heads/main'), await id('main'))
  })

  it('deletes a ref, and what is left clones', async () => {
    const url = await host.create('deleted')
    await git.run(['push', '-q', url, 'main', 'side'], { cwd: work })
    await git.run(['push', '-q', url, ':side'], { cwd: work })
    assert.deepEqual([...(await remoteRefs(url)).keys()], ['HEAD', 'refs/heads/main'])
    const gone = await git.run(['push', url, ':side'], { cwd: work, mayFail: true })
    assert.match(gone.stderr, /remote ref does not exist/)
    await git.run(['clone', '-q', url, host.folder.join('deleted')])
  })

  it('keeps the branch that HEAD names from being deleted', async () => {
    const url = await host.create('current')
    await git.run(['push', '-q', url, 'main', 'side'], { cwd: work })
    const refused = await git.run(['push', url, ':main'], { cwd: work, mayFail: true })
    assert.notEqual(refused.code, 0)
    assert.match(refused.stderr, /deletion of the current branch prohibited|refusing to delete the current branch/)
    assert.ok((await remoteRefs(url)).has('refs/heads/main'))
  })

  it('moves all or none with --atomic', async () => {
    const url = await host.create('atomic')
    await git.run(['push', '-q', url, 'main', 'side'], { cwd: work })
    const before = await remoteRefs(url)
    // HEAD's branch can't be deleted: the server refuses that one, so the other must not move either.
    const refused = await git.run(['push', '--atomic', '--force', url, 'main:side', ':main', 'main:refs/heads/new'], {
      cwd: work,
      mayFail: true,
    })
    assert.notEqual(refused.code, 0)
    assert.match(refused.stderr, /atomic/)
    assert.deepEqual(await remoteRefs(url), before)
    await git.run(['push', '-q', '--atomic', '--force', url, 'main:side', 'main:refs/heads/new'], { cwd: work })
    assert.equal((await remoteRefs(url)).get('refs/heads/side'), await id('main'))
  })

  it('moves the good ones without --atomic', async () => {
    const url = await host.create('partial')
    await git.run(['push', '-q', url, 'main', 'side'], { cwd: work })
    const mixed = await git.run(['push', '--force', url, 'main:side', ':main', 'main:refs/heads/new'], { cwd: work, mayFail: true })
    assert.notEqual(mixed.code, 0)
    const refs = await remoteRefs(url)
    assert.equal(refs.get('refs/heads/side'), await id('main'))
    assert.equal(refs.get('refs/heads/new'), await id('main'))
    assert.ok(refs.has('refs/heads/main'))
  })

  it('replaces a branch by a folder of branches only when the branch goes first', async () => {
    const url = await host.create('folder')
    await git.run(['push', '-q', url, 'main', 'side:refs/heads/topic'], { cwd: work })
    const refused = await git.run(['push', url, 'side:refs/heads/topic/one'], { cwd: work, mayFail: true })
    assert.notEqual(refused.code, 0)
    await git.run(['push', '-q', url, ':topic'], { cwd: work })
    await git.run(['push', '-q', url, 'side:refs/heads/topic/one'], { cwd: work })
    const again = await git.run(['push', url, 'side:refs/heads/topic'], { cwd: work, mayFail: true })
    assert.notEqual(again.code, 0)
    assert.ok((await remoteRefs(url)).has('refs/heads/topic/one'))
  })

  it('takes 2,000 refs in one push, and deletes them in one', async () => {
    const url = await host.create('many')
    const commits = (await git.read(['rev-list', 'main'], { cwd: work })).split('\n')
    const bare = host.folder.join('many.git')
    await git.run(['clone', '-q', '--bare', work, bare])
    const updates = Array.from({ length: 2000 }, (_, n) => `create refs/heads/many/${n % 20}/${n} ${commits[n % commits.length]}\n`)
    await git.run(['update-ref', '--stdin'], { cwd: bare, input: updates.join('') })
    await git.run(['push', '-q', url, 'refs/heads/*:refs/heads/*'], { cwd: bare })
    const refs = await remoteRefs(url)
    assert.equal([...refs.keys()].filter((name) => name.startsWith('refs/heads/many/')).length, 2000)
    const copy = host.folder.join('many-copy.git')
    await git.run(['clone', '-q', '--mirror', url, copy])
    assert.equal((await git.read(['for-each-ref', '--format=%(refname)'], { cwd: copy })).split('\n').length, 2002)
    const deletions = Array.from({ length: 2000 }, (_, n) => `:refs/heads/many/${n % 20}/${n}`)
    await git.run(['push', '-q', url, ...deletions], { cwd: work })
    assert.equal((await remoteRefs(url)).size, 3)
  })
})

describe('HEAD', () => {
  it('is announced as a symref, and names the default branch', stemmaOnly, async () => {
    const url = await host.create('head')
    await git.run(['push', '-q', url, 'main', 'side'], { cwd: work })
    for (const version of ['0', '2']) {
      const listed = await git.read(['-c', `protocol.version=${version}`, 'ls-remote', '--symref', url, 'HEAD'])
      assert.equal(listed, `ref: refs/heads/main\tHEAD\n${await id('main')}\tHEAD`)
    }
    const patched = await host.server.api('PATCH', '/api/v3/repos/admin/head', { default_branch: 'side' })
    assert.equal(patched.status, 200)
    assert.equal(patched.body.default_branch, 'side')
    assert.match(await git.read(['ls-remote', '--symref', url, 'HEAD']), /^ref: refs\/heads\/side\t/)
    const copy = host.folder.join('head')
    await git.run(['clone', '-q', url, copy])
    assert.equal(await git.read(['symbolic-ref', 'HEAD'], { cwd: copy }), 'refs/heads/side')
    await git.run(['push', '-q', url, ':main'], { cwd: work })
  })
})

describe('tags', () => {
  it('keeps light, annotated and nested tags, and lists what they peel to', async () => {
    const url = await host.create('tags')
    await git.run(['push', '-q', url, 'main', '--tags'], { cwd: work })
    const refs = await remoteRefs(url)
    assert.equal(refs.get('refs/tags/light'), await id('main~1'))
    assert.equal(refs.get('refs/tags/annotated'), await id('annotated'))
    assert.equal(refs.get('refs/tags/annotated^{}'), await id('main~1'))
    assert.equal(refs.get('refs/tags/nested^{}'), await id('main~1'))
    const copy = host.folder.join('tags.git')
    await git.run(['clone', '-q', '--mirror', url, copy])
    await git.run(['fsck', '--strict'], { cwd: copy })
    assert.equal(await git.read(['cat-file', '-t', 'nested'], { cwd: copy }), 'tag')
  })

  it('sends the tags of what is fetched along (include-tag)', async () => {
    for (const version of ['0', '2']) {
      const url = await host.create(`follow-${version}`)
      await git.run(['push', '-q', url, 'side:main'], { cwd: work })
      const copy = host.folder.join(`follow-${version}`)
      await git.run(['clone', '-q', url, copy])
      await git.run(['push', '-q', url, 'main', 'annotated'], { cwd: work })
      const args = ['-c', `protocol.version=${version}`, 'fetch', '-q']
      const fetched = await git.run(args, { cwd: copy, env: { GIT_TRACE_PACKET: '1' } })
      assert.equal(await git.read(['rev-parse', 'refs/tags/annotated'], { cwd: copy }), await id('annotated'))
      const requests = fetched.stderr.split('\n').filter((line) => /fetch> (command=fetch|want )/.test(line))
      assert.ok(
        requests.filter((line) => line.includes('want ')).length <= 1,
        `the tag came with the branch, not by a second request:\n${requests.join('\n')}`,
      )
    }
  })
})

describe('writers at the same time', () => {
  it('lets exactly one of many win the same ref', async () => {
    const url = await host.create('race')
    await git.run(['push', '-q', url, 'main'], { cwd: work })
    const clones = await Promise.all(
      Array.from({ length: 6 }, async (_, n) => {
        const copy = host.folder.join(`race-${n}`)
        await git.run(['clone', '-q', url, copy])
        return { copy, tip: await git.commit(copy, { 'race.txt': `writer ${n}\n` }, `writer ${n}`) }
      }),
    )
    const results = await Promise.all(clones.map(({ copy }) => git.run(['push', 'origin', 'main'], { cwd: copy, mayFail: true })))
    const winners = clones.filter((_, n) => results[n]?.code === 0)
    assert.equal(winners.length, 1)
    assert.equal((await remoteRefs(url)).get('refs/heads/main'), winners[0]?.tip)
    for (const result of results) {
      if (result.code !== 0) assert.match(result.stderr, /failed to update ref|cannot lock ref|stale info|fetch first|incorrect old value/)
    }
  })

  it('judges a raced update by its old value, not by its order', async () => {
    const url = await host.create('raced')
    const base = await id('main~3')
    await git.run(['push', '-q', url, 'main~3:refs/heads/main'], { cwd: work })
    const tips = [await id('main'), await id('main~1'), await id('main~2')]
    const packs = await Promise.all(tips.map((tip) => packOf(tip, base)))
    const reports = await Promise.all(
      tips.map((tip, n) => push(url, [{ old: base, new: tip, ref: 'refs/heads/main' }], packs[n] as Buffer)),
    )
    assert.equal(reports.filter((report) => report.refs.get('refs/heads/main') === 'ok').length, 1)
    const winner = tips[reports.findIndex((report) => report.refs.get('refs/heads/main') === 'ok')]
    assert.equal((await remoteRefs(url)).get('refs/heads/main'), winner)
    const wrong = await push(url, [{ old: base, new: base, ref: 'refs/heads/main' }], Buffer.alloc(0))
    assert.notEqual(wrong.refs.get('refs/heads/main'), 'ok')
    const exists = await push(url, [{ old: zeroId, new: base, ref: 'refs/heads/main' }], await packOf(base))
    assert.notEqual(exists.refs.get('refs/heads/main'), 'ok')
  })

  it('takes pushes to different refs together', async () => {
    const url = await host.create('together')
    await git.run(['push', '-q', url, 'main'], { cwd: work })
    const tips = await Promise.all(
      Array.from({ length: 8 }, async (_, n) => {
        const copy = host.folder.join(`together-${n}`)
        await git.run(['clone', '-q', url, copy])
        const tip = await git.commit(copy, { 'mine.txt': `writer ${n}\n` }, `writer ${n}`)
        await git.run(['push', '-q', 'origin', `main:refs/heads/writer-${n}`], { cwd: copy })
        return tip
      }),
    )
    const refs = await remoteRefs(url)
    tips.forEach((tip, n) => {
      assert.equal(refs.get(`refs/heads/writer-${n}`), tip)
    })
    const copy = host.folder.join('together.git')
    await git.run(['clone', '-q', '--mirror', url, copy])
    await git.run(['fsck', '--strict'], { cwd: copy })
  })
})

async function packOf(tip: string, without?: string): Promise<Buffer> {
  const revs = `${tip}\n${without === undefined ? '' : `^${without}\n`}`
  const path = host.folder.join(`pack-${tip}-${without ?? ''}`)
  const packed = await git.read(['pack-objects', '-q', '--revs', path], { cwd: work, input: revs })
  return readFileSync(`${path}-${packed.trim()}.pack`)
}
