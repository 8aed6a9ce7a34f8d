// Pushes from shallow clones with the real git: what rests on history that the repository has goes through; new roots only where the settings
// let the repository be cut off, and then it is served as a shallow one.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { Forks } from '../support/forks.ts'
import type { Git } from '../support/git.ts'
import { type Host, openHost, stemmaOnly } from '../support/host.ts'
import { commit, PackBuilder, tree } from '../support/pack-builder.ts'
import { advertisedRefs, flush, pkt, push, readPkts, send, zeroId } from '../support/wire.ts'

let host: Host
let git: Git
/** A history of six commits, and another that shares nothing with it. */
let work: string
let other: string

before(async () => {
  host = await openHost('push-shallow')
  git = host.git
  work = await git.makeRepository(host.folder.join('work'), 6)
  other = host.folder.join('other')
  await git.run(['init', '-q', other])
  for (const name of ['a', 'b', 'c', 'd']) await git.commit(other, { [`${name}.txt`]: `${name}\n` }, name)
})
after(async () => await host?.close())

const log = (cwd: string, ref: string) => git.read(['log', '--format=%s', ref], { cwd })

async function shallowClone(source: string, depth: number, name: string): Promise<string> {
  const path = host.folder.join(name)
  await git.run(['clone', '-q', `--depth=${depth}`, `file://${source}`, path])
  return path
}

/** The ids that a service's advertisement names as shallow. */
async function toldShallow(url: string, service: string): Promise<string[]> {
  const answer = await send(url, `${new URL(url).pathname}/info/refs?service=${service}`)
  return readPkts(answer.body)
    .map((line) => /^shallow ([0-9a-f]{40})/.exec(line.toString())?.[1])
    .filter((id) => id !== undefined)
}

describe('from a shallow clone', () => {
  it('new commits on history that is there go through', async () => {
    const url = await host.create('complete')
    await git.run(['push', '-q', url, 'main'], { cwd: work })
    for (const depth of [1, 2]) {
      const shallow = await shallowClone(work, depth, `complete-${depth}`)
      await git.commit(shallow, { 'new.txt': `at depth ${depth}\n` }, 'new')
      await git.run(['push', '-q', url, `HEAD:refs/heads/from-${depth}`], { cwd: shallow })
      const copy = host.folder.join(`complete-copy-${depth}`)
      await git.run(['clone', '-q', '-b', `from-${depth}`, url, copy])
      assert.equal((await log(copy, 'HEAD')).split('\n').length, 7)
      await git.run(['fsck', '--strict'], { cwd: copy })
    }
  })

  it('thin deltas against what the clone has go through', async () => {
    const url = await host.create('deltas')
    await git.run(['push', '-q', url, 'main'], { cwd: work })
    const shallow = await shallowClone(work, 1, 'deltas')
    await git.commit(shallow, { 'file-1.txt': `${'line 6\n'.repeat(27)}more\n` }, 'longer')
    await git.run(['push', '-q', url, 'HEAD:main'], { cwd: shallow })
    await git.run(['push', '-q', url, 'HEAD:refs/heads/again', 'HEAD~0:refs/heads/third'], { cwd: shallow })
  })

  it('new roots are refused, by name, and nothing of them stays', async () => {
    const url = await host.create('roots')
    await git.run(['push', '-q', url, 'main'], { cwd: work })
    const shallow = await shallowClone(other, 2, 'roots')
    await git.run(['tag', '-a', '-m', 'note', 'note'], { cwd: shallow })
    const refused = await git.run(['push', url, 'HEAD:refs/heads/other', 'note'], { cwd: shallow, mayFail: true })
    assert.notEqual(refused.code, 0)
    assert.match(refused.stderr, /HEAD -> other \(shallow update not allowed\)/)
    assert.match(refused.stderr, /note -> note \(shallow update not allowed\)/)
    assert.deepEqual([...(await advertisedRefs(url)).keys()], ['refs/heads/main'])
    // the same objects, whole: nothing was kept that would be missing its parents
    await git.run(['push', '-q', url, 'HEAD:refs/heads/other'], { cwd: other })
    const copy = host.folder.join('roots-copy')
    await git.run(['clone', '-q', '-b', 'other', url, copy])
    assert.equal(await log(copy, 'HEAD'), 'd\nc\nb\na')
    // and now the shallow clone's tip is there
    await git.run(['push', '-q', url, 'HEAD:refs/heads/shallow', 'note'], { cwd: shallow })
  })

  it('refs beside a new root that need nothing of it are done', stemmaOnly, async () => {
    const url = await host.create('beside')
    await git.run(['push', '-q', url, 'main', 'main:side'], { cwd: work })
    const [main, older] = [await git.read(['rev-parse', 'main'], { cwd: work }), await git.read(['rev-parse', 'main~1'], { cwd: work })]
    const top = tree()
    const root = commit(top.id, ['ab'.repeat(20)], 'a root\n')
    const child = commit(top.id, [root.id], 'on it\n')
    const commands = [
      pkt(`shallow ${root.id}`),
      pkt(`${zeroId} ${child.id} refs/heads/new\0 report-status side-band-64k`),
      pkt(`${main} ${older} refs/heads/side`),
      flush,
    ]
    const body = Buffer.concat([...commands, new PackBuilder().addAll(child, root, top).build()])
    const report = await push(url, [], Buffer.alloc(0), { body })
    assert.deepEqual(Object.fromEntries(report.refs), { 'refs/heads/new': 'shallow update not allowed', 'refs/heads/side': 'ok' })
    // parents that are missing without being told of are missing
    const untold = await push(
      url,
      [{ old: zeroId, new: child.id, ref: 'refs/heads/new' }],
      new PackBuilder().addAll(child, root, top).build(),
    )
    assert.equal(untold.refs.get('refs/heads/new'), 'unpacker error')
    assert.match(untold.text, /missing commit abab/)
  })
})

describe('where receive.shallowUpdate is set', stemmaOnly, () => {
  it('new roots cut the repository off there, and it is cloned and fetched from as a shallow one', async () => {
    const url = await host.create('cut')
    await host.configure('cut', { 'receive.shallowUpdate': true })
    const shallow = await shallowClone(other, 2, 'cut')
    const root = await git.read(['rev-parse', 'HEAD~1'], { cwd: shallow })
    await git.run(['push', '-q', url, 'HEAD:main'], { cwd: shallow })
    for (const service of ['git-upload-pack', 'git-receive-pack']) assert.deepEqual(await toldShallow(url, service), [root])
    for (const version of ['0', '2']) {
      const copy = host.folder.join(`cut-copy-${version}`)
      await git.run(['-c', `protocol.version=${version}`, 'clone', '-q', url, copy])
      assert.equal(await log(copy, 'HEAD'), 'd\nc')
      assert.equal(await git.read(['rev-parse', '--is-shallow-repository'], { cwd: copy }), 'true')
      await git.run(['fsck', '--strict'], { cwd: copy })
    }
    // more on top, from a clone of it and from the shallow clone; the settings may be closed again by then
    await host.configure('cut', { 'receive.shallowUpdate': false })
    const copy = host.folder.join('cut-copy-2')
    await git.commit(copy, { 'e.txt': 'e\n' }, 'e')
    await git.run(['push', '-q', 'origin', 'HEAD:main'], { cwd: copy })
    await git.run(['fetch', '-q', url, 'main'], { cwd: shallow })
    assert.equal(await log(shallow, 'FETCH_HEAD'), 'e\nd\nc')
  })

  it('what is cut off stays so, though whole history comes later', async () => {
    const url = await host.create('later')
    await host.configure('later', { 'receive.shallowUpdate': true })
    const shallow = await shallowClone(other, 2, 'later')
    await git.run(['push', '-q', url, 'HEAD:main'], { cwd: shallow })
    const next = await git.commit(other, { 'next.txt': 'next\n' }, 'next')
    // a client takes what the repository has for whole, and sends nothing below it: as with git's own server, that is missing then
    const below = await git.run(['push', url, `${next}~3:refs/heads/old`], { cwd: other, mayFail: true })
    assert.match(below.stderr, /missing necessary objects/)
    await git.run(['push', '-q', url, `${next}:refs/heads/next`], { cwd: other })
    const empty = await git.read(['rev-list', '--objects', '--no-object-names', `${next}~3`], { cwd: other })
    const path = host.folder.join('whole')
    const packed = await git.run(['pack-objects', '-q', path], { cwd: other, input: `${empty}\n` })
    const old = await git.read(['rev-parse', `${next}~3`], { cwd: other })
    const report = await push(url, [{ old: zeroId, new: old, ref: 'refs/heads/old' }], readFileSync(`${path}-${packed.stdout.trim()}.pack`))
    assert.equal(report.refs.get('refs/heads/old'), 'ok', report.text)
    const copy = host.folder.join('later-copy')
    await git.run(['clone', '-q', url, copy])
    assert.equal(await log(copy, 'origin/next'), 'next\nd\nc')
    assert.equal(await log(copy, 'origin/old'), 'b\na')
    await git.run(['fsck', '--strict'], { cwd: copy })
    await git.run(['reset', '-q', '--hard', 'HEAD~1'], { cwd: other })
  })

  it('forks take the cut along when they are made later, and know nothing of it when they were made before', async () => {
    const forks = Forks.open(host.server)
    try {
      const url = await host.server.create('source', { private: false })
      await git.run(['push', '-q', url, 'main'], { cwd: work })
      const before = await forks.fork(['admin', 'source'], await forks.account('early'), 'fork', 'public')
      await host.configure('source', { 'receive.shallowUpdate': true })
      const shallow = await shallowClone(other, 2, 'source')
      await git.run(['push', '-q', url, 'HEAD:refs/heads/cut'], { cwd: shallow })
      const later = await forks.fork(['admin', 'source'], await forks.account('late'), 'fork', 'public')
      const copy = host.folder.join('later-fork')
      await git.run(['clone', '-q', '-b', 'cut', later, copy])
      assert.equal(await log(copy, 'HEAD'), 'd\nc')
      await git.commit(copy, { 'g.txt': 'g\n' }, 'g')
      await git.run(['push', '-q', later, 'HEAD:cut'], { cwd: copy })
      const [cut, own] = [await git.read(['rev-parse', 'HEAD~1'], { cwd: copy }), await git.read(['rev-parse', 'main'], { cwd: work })]
      const told = readPkts((await send(before, `${new URL(before).pathname}/info/refs?service=git-receive-pack`)).body).map(String)
      assert.equal(
        told.some((line) => line.includes(cut)),
        false,
      )
      const top = tree()
      const tip = commit(top.id, [own, cut])
      const report = await push(before, [{ old: zeroId, new: tip.id, ref: 'refs/heads/x' }], new PackBuilder().addAll(tip, top).build())
      assert.equal(report.refs.get('refs/heads/x'), 'unpacker error')
      assert.match(report.text, new RegExp(`missing commit ${cut}`))
    } finally {
      await forks.close()
    }
  })

  it('a fork is not cut off all the same: its siblings would have no history table any more', async () => {
    const url = await host.create('whole')
    await git.run(['push', '-q', url, 'main'], { cwd: work })
    assert.equal((await host.server.api('POST', '/api/v3/repos/admin/whole/forks', { name: 'whole-fork' })).status, 202)
    await host.configure('whole-fork', { 'receive.shallowUpdate': true })
    const shallow = await shallowClone(other, 2, 'whole-fork')
    const refused = await git.run(['push', host.server.repositoryUrl('whole-fork'), 'HEAD:refs/heads/cut'], { cwd: shallow, mayFail: true })
    assert.match(refused.stderr, /shallow update not allowed/)
  })

  it('is judged by what is there: a fast-forward ends at the cut', async () => {
    const url = await host.create('forward')
    await host.configure('forward', { 'receive.shallowUpdate': true, 'receive.denyNonFastForwards': true })
    const shallow = await shallowClone(other, 2, 'forward')
    await git.run(['push', '-q', url, 'HEAD:main'], { cwd: shallow })
    await git.commit(shallow, { 'f.txt': 'f\n' }, 'f')
    await git.run(['push', '-q', url, 'HEAD:main'], { cwd: shallow })
    const back = await git.run(['push', url, '+HEAD~2:main'], { cwd: shallow, mayFail: true })
    assert.match(back.stderr, /non-fast-forward/)
  })
})
