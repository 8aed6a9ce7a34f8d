// Partial clones by the real git: each filter leaves out what git's own server leaves out, the rest comes when it is needed, and what the
// settings forbid is refused in git's words.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { command, post, refusalOf } from '../support/fetch-wire.ts'
import type { Git } from '../support/git.ts'
import { type Host, openHost, stemmaOnly } from '../support/host.ts'
import { flush, pkt } from '../support/wire.ts'

let host: Host
let git: Git
let work: string
let url: string
let peer: string
let next = 0

before(async () => {
  host = await openHost('partial')
  git = host.git
  work = await git.makeRepository(host.folder.join('work'), 12)
  await git.commit(work, { 'large.bin': 'x'.repeat(5000), 'folder/small.txt': 'small\n', 'one.t': '1\n', 'two.t': '2\n' }, 'more')
  await git.run(['branch', 'patterns'], { cwd: work })
  await git.commit(work, { patterns: '/one.t\n/folder/\n' }, 'patterns')
  await git.run(['tag', '-a', '-m', 'annotated', 'v1', 'main~3'], { cwd: work })
  url = await host.create('partial')
  await git.run(['push', '-q', url, 'main', 'v1'], { cwd: work })
  peer = host.folder.join('peer.git')
  await git.run(['init', '-q', '--bare', peer])
  await git.run(['config', 'uploadpack.allowFilter', 'true'], { cwd: peer })
  await git.run(['config', 'uploadpack.allowAnySHA1InWant', 'true'], { cwd: peer })
  await git.run(['push', '-q', peer, 'main', 'v1'], { cwd: work })
})
after(async () => await host?.close())

const target = () => host.folder.join(`clone-${next++}`)
/** Ids of what is here, and `?` before those of what is promised. */
async function held(repository: string): Promise<string[]> {
  const listed = await git.read(['rev-list', '--objects', '--no-object-names', '--all', '--missing=print'], { cwd: repository })
  return listed.split('\n').toSorted()
}

/** Ids and kinds of what is here, whatever leads to it. */
async function stored(repository: string): Promise<string> {
  return await git.read(['cat-file', '--batch-all-objects', '--batch-check=%(objectname) %(objecttype)'], { cwd: repository })
}

async function partial(from: string, filters: readonly string[], version = 2): Promise<string> {
  const clone = target()
  const options = filters.map((filter) => `--filter=${filter}`)
  await git.run(['-c', `protocol.version=${version}`, 'clone', '-q', '--no-checkout', ...options, from, clone])
  return clone
}

describe('each filter leaves out the same as the git on this machine does', () => {
  const filters = [
    ['blob:none'],
    ['blob:limit=1k'],
    ['blob:limit=0'],
    ['tree:0'],
    ['tree:1'],
    ['tree:2'],
    ['object:type=commit'],
    ['object:type=tree'],
    ['sparse:oid=main:patterns'],
    ['blob:none', 'tree:2'],
    ['combine:blob:limit=4k+tree:1'],
    ['combine:sparse:oid=main%3apatterns+blob:limit=1k'],
  ]
  for (const filter of filters) {
    it(filter.join(' and '), async () => {
      assert.equal(await stored(await partial(url, filter)), await stored(await partial(`file://${peer}`, filter)))
    })
  }

  it('over version 0, too', async () => {
    for (const filter of ['blob:none', 'tree:1']) {
      assert.equal(await stored(await partial(url, [filter], 0)), await stored(await partial(`file://${peer}`, [filter], 0)))
    }
  })
})

describe('a partial clone', () => {
  it('fetches what it lacks when it is looked at, all of a checkout at once', async () => {
    for (const version of [0, 2]) {
      const clone = await partial(url, ['blob:none'], version)
      await git.run(['checkout', '-q', 'main'], { cwd: clone })
      assert.equal(await git.read(['status', '--porcelain'], { cwd: clone }), '')
      const blame = ['blame', '-s', '--root', 'file-1.txt']
      assert.equal(await git.read(blame, { cwd: clone }), await git.read(blame, { cwd: work }))
      await git.run(['fsck'], { cwd: clone })
    }
  })

  it('keeps its filter in later fetches, and drops it with --refetch and another one', async () => {
    const clone = await partial(url, ['blob:none'])
    await git.commit(work, { 'later.txt': 'later\n' }, 'later')
    const later = await git.read(['rev-parse', 'main:later.txt'], { cwd: work })
    await git.run(['push', '-q', url, 'main'], { cwd: work })
    await git.run(['push', '-q', peer, 'main'], { cwd: work })
    await git.run(['fetch', '-q', 'origin'], { cwd: clone })
    assert.ok((await held(clone)).includes(`?${later}`))
    await git.run(['fetch', '-q', '--refetch', '--filter=blob:limit=4k', 'origin'], { cwd: clone })
    const after = await held(clone)
    assert.ok(after.includes(later))
    assert.ok(after.includes(`?${await git.read(['rev-parse', 'main:large.bin'], { cwd: work })}`))
  })

  it('gets what it names, though the filter would leave it out', async () => {
    const blob = await git.read(['rev-parse', 'main:large.bin'], { cwd: work })
    const clone = target()
    await git.run(['init', '-q', clone])
    await git.run(['fetch', '-q', '--filter=blob:none', url, blob], { cwd: clone })
    assert.equal(await git.read(['cat-file', '-s', blob], { cwd: clone }), '5000')
  })

  it('may be shallow, too', async () => {
    const clone = target()
    await git.run(['clone', '-q', '--filter=blob:none', '--depth', '2', '--no-checkout', url, clone])
    await git.run(['fetch', '-q', '--deepen', '2'], { cwd: clone })
    assert.equal(await git.read(['rev-list', '--count', 'HEAD'], { cwd: clone }), '4')
    const listed = await held(clone)
    assert.ok(listed.some((line) => line.startsWith('?')))
  })
})

describe('sparse filters', () => {
  it('that name nothing that can be read are refused', async () => {
    const fails = async (filter: string) => {
      const { code, stderr } = await git.run(['clone', '-q', '--no-checkout', `--filter=sparse:oid=${filter}`, url, target()], {
        mayFail: true,
      })
      assert.notEqual(code, 0)
      return stderr
    }
    assert.match(await fails('main:no-such-name'), /unable to access sparse blob in 'main:no-such-name'/)
    assert.match(await fails('no-such-branch:patterns'), /unable to access sparse blob in 'no-such-branch:patterns'/)
    assert.match(await fails('main'), /unable to parse sparse filter data in/)
  })

  it('that name a file too large for one of patterns are refused before it is read', async () => {
    // little to push, and by the million of patterns a worker's end
    const other = await host.create('patterns')
    const from = host.folder.join('patterns')
    await git.run(['init', '-q', '-b', 'main', from])
    await git.commit(from, { patterns: '*a\n'.repeat(100_000) }, 'patterns')
    await git.run(['push', '-q', other, 'main'], { cwd: from })
    const { stderr } = await git.run(['clone', '-q', '--no-checkout', '--filter=sparse:oid=main:patterns', other, target()], {
      mayFail: true,
    })
    if (host.kind === 'stemma') assert.match(stderr, /unable to parse sparse filter data in/)
  })
})

describe('filters that the settings forbid', stemmaOnly, () => {
  const refusal = async (name: string, settings: Readonly<Record<string, unknown>>, filter: string): Promise<string> => {
    const own = await host.create(name)
    await git.run(['push', '-q', own, 'main'], { cwd: work })
    await host.configure(name, settings)
    const { stderr } = await git.run(['clone', '-q', '--no-checkout', `--filter=${filter}`, own, target()], { mayFail: true })
    return stderr
  }

  it('are refused by name, by the fallback and by depth', async () => {
    const banned = { 'uploadpackfilter.blob:none.allow': false }
    assert.match(await refusal('ban-1', banned, 'blob:none'), /filter 'blob:none' not supported/)
    assert.match(await refusal('ban-2', banned, 'combine:tree:1+blob:none'), /filter 'blob:none' not supported/)
    assert.match(await refusal('ban-3', { 'uploadpackfilter.allow': false }, 'blob:none'), /filter 'blob:none' not supported/)
    const shallow = { 'uploadpackfilter.allow': false, 'uploadpackfilter.tree.maxDepth': 0 }
    assert.match(await refusal('ban-4', shallow, 'tree:1'), /tree filter allows max depth 0, but got 1/)
    assert.equal(await refusal('ban-5', shallow, 'tree:0'), '')
  })

  it('altogether are not offered, and a client gets everything', async () => {
    assert.match(await refusal('none', { 'uploadpack.allowFilter': false }, 'blob:none'), /filtering not recognized by server, ignoring/)
    const own = host.server.repositoryUrl('none')
    const tip = await git.read(['rev-parse', 'main'], { cwd: work })
    assert.equal(refusalOf(await command(own, 'fetch', [`want ${tip}`, 'filter blob:none', 'done'])), "unexpected line: 'filter blob:none'")
    const old = await post(own, Buffer.concat([pkt(`want ${tip} filter`), pkt('filter blob:none'), flush, pkt('done')]))
    assert.match(old.toString(), /ERR git upload-pack: filtering capability not negotiated/)
  })
})
