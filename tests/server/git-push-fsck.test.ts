// How pushed objects are judged, as the repository's settings say (receive.fsck…), with the real git.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import type { Git } from '../support/git.ts'
import { type Host, openHost, stemmaOnly } from '../support/host.ts'
import { blob, commit, object, PackBuilder, tree } from '../support/pack-builder.ts'
import { push, zeroId } from '../support/wire.ts'

let host: Host
let git: Git
let work: string
/** A commit whose author has no e-mail address. */
let bogus: string

before(async () => {
  host = await openHost('push-fsck')
  git = host.git
  work = await git.makeRepository(host.folder.join('work'), 1)
  const top = await git.read(['rev-parse', 'main^{tree}'], { cwd: work })
  const text = `tree ${top}\nauthor Bugs Bunny 1234567890 +0000\ncommitter Bugs Bunny <bugs@bun.ni> 1234567890 +0000\n\nbroken\n`
  bogus = (await git.run(['hash-object', '-t', 'commit', '-w', '--stdin', '--literally'], { cwd: work, input: text })).stdout.trim()
})
after(async () => await host?.close())

async function create(settings: Readonly<Record<string, unknown>>): Promise<string> {
  const name = `fsck-${randomUUID()}`
  const url = await host.create(name)
  await host.configure(name, settings)
  return url
}

async function pushBogus(settings: Readonly<Record<string, unknown>>): Promise<{ readonly isTaken: boolean; readonly said: string }> {
  const url = await create(settings)
  const { code, stderr } = await git.run(['push', url, `${bogus}:refs/heads/bogus`], { cwd: work, mayFail: true })
  return { isTaken: code === 0, said: stderr }
}

describe('fsck of a push', stemmaOnly, () => {
  it('is on, and says what git says', async () => {
    const { isTaken, said } = await pushBogus({})
    assert.equal(isTaken, false)
    assert.match(said, new RegExp(`^remote: error: object ${bogus}: missingEmail: invalid author/committer line - missing email`, 'm'))
    assert.match(said, /^remote: fatal: fsck error in packed object/m)
    assert.match(said, /! \[remote rejected\] [0-9a-f]{40} -> bogus \(unpacker error\)/)
  })

  it('is switched by receive.fsckObjects, before transfer.fsckObjects', async () => {
    assert.equal((await pushBogus({ 'receive.fsckObjects': false })).isTaken, true)
    assert.equal((await pushBogus({ 'receive.fsckObjects': false, 'transfer.fsckObjects': true })).isTaken, true)
    assert.equal((await pushBogus({ 'receive.fsckObjects': true, 'transfer.fsckObjects': false })).isTaken, false)
  })

  it('finds missing objects, whether it is on or not', async () => {
    for (const isOn of [true, false]) {
      const url = await create({ 'receive.fsckObjects': isOn })
      const tip = commit('cd'.repeat(20))
      const report = await push(url, [{ old: zeroId, new: tip.id, ref: 'refs/heads/x' }], new PackBuilder().addAll(tip).build())
      assert.notEqual(report.refs.get('refs/heads/x'), 'ok')
      assert.match(report.text, /missing tree cdcd/)
    }
  })

  it('warns, ignores or refuses by message id, in any case', async () => {
    const warned = await pushBogus({ 'receive.fsck.missingEmail': 'warn' })
    assert.equal(warned.isTaken, true)
    assert.match(warned.said, new RegExp(`^remote: warning: object ${bogus}: missingEmail: `, 'm'))
    const ignored = await pushBogus({ 'receive.fsck.MISSINGEMAIL': 'ignore' })
    assert.equal(ignored.isTaken, true)
    assert.doesNotMatch(ignored.said, /missingEmail/)
    assert.equal((await pushBogus({ 'receive.fsck.missingEmail': ['ignore', 'error'] })).isTaken, false)
  })

  it('warns of unknown ids, and refuses everything when a fatal one is lowered or a severity is none', async () => {
    const unknown = await pushBogus({ 'receive.fsck.whatEver': 'error', 'receive.fsck.missingEmail': 'warn' })
    assert.equal(unknown.isTaken, true)
    assert.match(unknown.said, /^remote: warning: skipping unknown msg id 'whatever'/m)
    const fatal = await pushBogus({ 'receive.fsck.unterminatedHeader': 'warn', 'receive.fsck.missingEmail': 'warn' })
    assert.equal(fatal.isTaken, false)
    assert.match(fatal.said, /Cannot demote unterminatedheader to warn/)
    const odd = await pushBogus({ 'receive.fsck.missingEmail': 'maybe' })
    assert.equal(odd.isTaken, false)
    assert.match(odd.said, /Unknown fsck message type: 'maybe'/)
  })

  it('passes over the objects on receive.fsck.skipList', async () => {
    const other = 'ab'.repeat(20)
    assert.equal((await pushBogus({ 'receive.fsck.skipList': [other] })).isTaken, false)
    const listed = await pushBogus({ 'receive.fsck.skipList': ['# ours', '', other, ` ${bogus}  # with leading space and a comment`] })
    assert.equal(listed.isTaken, true)
    assert.doesNotMatch(listed.said, /missingEmail/)
    const wrong = await pushBogus({ 'receive.fsck.skipList': [bogus.slice(0, 20)] })
    assert.equal(wrong.isTaken, false)
    assert.match(wrong.said, /invalid object name: /)
  })

  it('tells of what only warns, in deltas and trees too', async () => {
    const url = await create({ 'receive.fsck.hasDotgit': 'warn' })
    const file = blob('x')
    const odd = tree(['123456', 'foo', file.id])
    const dotgit = tree(['40000', '.git', odd.id])
    const tip = commit(dotgit.id)
    const report = await push(
      url,
      [{ old: zeroId, new: tip.id, ref: 'refs/heads/x' }],
      new PackBuilder().addAll(tip, dotgit, odd, file).build(),
    )
    assert.equal(report.refs.get('refs/heads/x'), 'ok', report.text)
    assert.match(report.text, new RegExp(`^warning: object ${odd.id}: badFilemode: `, 'm'))
    assert.match(report.text, new RegExp(`^warning: object ${dotgit.id}: hasDotgit: `, 'm'))
  })

  it('stops telling after some hundred warnings', async () => {
    const url = await create({})
    const pack = new PackBuilder()
    const file = blob('x')
    const trees = Array.from({ length: 500 }, (_, n) => tree(['123456', `foo${n}`, file.id]))
    const top = tree(...trees.map((each, n) => ['40000', `t${String(n).padStart(3, '0')}`, each.id] as const))
    const tip = commit(top.id)
    pack.addAll(tip, top, file, ...trees)
    const report = await push(url, [{ old: zeroId, new: tip.id, ref: 'refs/heads/x' }], pack.build())
    assert.equal(report.refs.get('refs/heads/x'), 'ok', report.text)
    const warnings = report.text.split('\n').filter((line) => line.startsWith('warning: '))
    assert.ok(warnings.length >= 50 && warnings.length <= 200, `${warnings.length} warnings`)
  })

  it('of a tag lets an extra header pass unless asked', async () => {
    const top = tree()
    const tip = commit(top.id)
    const tag = object('tag', `object ${tip.id}\ntype commit\ntag t\ntagger T <t@example.com> 1 +0000\nextra header\n\nt\n`)
    for (const [settings, verdict] of [
      [{}, 'ok'],
      [{ 'receive.fsck.extraHeaderEntry': 'error' }, 'unpacker error'],
    ] as const) {
      const url = await create(settings)
      const pack = new PackBuilder().addAll(tag, tip, top).build()
      const report = await push(url, [{ old: zeroId, new: tag.id, ref: 'refs/tags/t' }], pack)
      assert.equal(report.refs.get('refs/tags/t'), verdict, report.text)
    }
  })
})
