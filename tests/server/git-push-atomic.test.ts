// Atomic pushes: all commands or none, with git's words for those that would have gone through.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Git } from '../support/git.ts'
import { type Host, openHost, stemmaOnly } from '../support/host.ts'
import { PackBuilder } from '../support/pack-builder.ts'
import { advertisedRefs, push, zeroId } from '../support/wire.ts'

let host: Host
let git: Git
let work: string
let tips: { main: string; old: string; older: string }

before(async () => {
  host = await openHost('push-atomic')
  git = host.git
  work = await git.makeRepository(host.folder.join('work'), 5)
  const id = (name: string) => git.read(['rev-parse', name], { cwd: work })
  tips = { main: await id('main'), old: await id('main~1'), older: await id('main~2') }
})
after(async () => await host?.close())

const capabilities = 'report-status side-band-64k atomic delete-refs'
const none = Buffer.alloc(0)
const emptyPack = new PackBuilder().build()

async function create(name: string, settings: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const url = await host.create(name)
  await git.run(['push', '-q', url, 'main', 'main~1:refs/heads/old', 'main~2:refs/heads/older'], { cwd: work })
  if (Object.keys(settings).length > 0) await host.configure(name, settings)
  return url
}

async function assertUntouched(url: string): Promise<void> {
  assert.deepEqual(Object.fromEntries(await advertisedRefs(url)), {
    'refs/heads/main': tips.main,
    'refs/heads/old': tips.old,
    'refs/heads/older': tips.older,
  })
}

/** A move of two refs and a deletion, the middle one of which the given command replaces. */
const around = (command: { readonly old: string; readonly new: string; readonly ref: string }) => [
  { old: tips.older, new: tips.old, ref: 'refs/heads/older' },
  command,
  { old: tips.old, new: zeroId, ref: 'refs/heads/old' },
]

describe('atomic pushes', () => {
  it('do everything when everything can be done', async () => {
    const url = await create('all')
    await git.run(['push', '-q', '--atomic', url, 'main:refs/heads/older', ':old', 'main:refs/heads/new'], { cwd: work })
    assert.deepEqual([...(await advertisedRefs(url)).keys()].sort(), ['refs/heads/main', 'refs/heads/new', 'refs/heads/older'])
  })

  it('are not offered where receive.advertiseAtomic is off, and then each command stands alone', stemmaOnly, async () => {
    const url = await create('not-offered', { 'receive.advertiseAtomic': false })
    const refused = await git.run(['push', '--atomic', url, 'main:refs/heads/new'], { cwd: work, mayFail: true })
    assert.match(refused.stderr, /the receiving end does not support --atomic push/)
    const report = await push(url, around({ old: tips.old, new: tips.main, ref: 'refs/heads/main' }), emptyPack, { capabilities })
    assert.equal(report.refs.get('refs/heads/older'), 'ok')
    assert.notEqual(report.refs.get('refs/heads/main'), 'ok')
  })

  it(
    'do nothing when one command is refused by policy: that one has its reason, the others "atomic push failure"',
    stemmaOnly,
    async () => {
      const url = await create('policy', { 'receive.denyNonFastForwards': true, 'transfer.hideRefs': 'refs/hidden' })
      for (const [command, reason] of [
        [{ old: tips.main, new: tips.older, ref: 'refs/heads/main' }, 'non-fast-forward'],
        [{ old: tips.main, new: zeroId, ref: 'refs/heads/main' }, 'deletion of the current branch prohibited'],
        [{ old: zeroId, new: tips.main, ref: 'refs/hidden/x' }, 'deny updating a hidden ref'],
        [{ old: zeroId, new: 'ab'.repeat(20), ref: 'refs/heads/x' }, 'missing necessary objects'],
        [{ old: zeroId, new: tips.main, ref: 'refs/heads/x.lock' }, 'funny refname'],
      ] as const) {
        const report = await push(url, around(command), emptyPack, { capabilities })
        assert.deepEqual(
          [...report.refs.values()],
          ['refs/heads/older', command.ref, 'refs/heads/old'].map((ref) => (ref === command.ref ? reason : 'atomic push failure')),
          report.text,
        )
        await assertUntouched(url)
      }
    },
  )

  it('do nothing when a ref has moved meanwhile: "atomic transaction failed" for all, and why', stemmaOnly, async () => {
    const url = await create('moved')
    for (const [command, words] of [
      [{ old: tips.old, new: tips.older, ref: 'refs/heads/main' }, /cannot lock ref 'refs\/heads\/main': is at [0-9a-f]{40} but expected/],
      [{ old: zeroId, new: tips.main, ref: 'refs/heads/main' }, /cannot lock ref 'refs\/heads\/main': reference already exists/],
      [{ old: tips.old, new: tips.main, ref: 'refs/heads/gone' }, /unable to resolve reference 'refs\/heads\/gone'/],
      [{ old: zeroId, new: tips.main, ref: 'refs/heads/main/x' }, /'refs\/heads\/main' exists; cannot create 'refs\/heads\/main\/x'/],
    ] as const) {
      const report = await push(url, around(command), emptyPack, { capabilities })
      assert.deepEqual(new Set(report.refs.values()), new Set(['atomic transaction failed']), report.text)
      assert.match(report.text, words)
      await assertUntouched(url)
    }
  })

  it('leave no object behind when nothing is done', stemmaOnly, async () => {
    const url = await create('objects')
    const clone = host.folder.join('clone')
    await git.run(['clone', '-q', work, clone])
    const tip = await git.commit(clone, { 'x.txt': 'x\n' })
    const refused = await git.run(['push', '--atomic', url, 'main:refs/heads/x', ':main'], { cwd: clone, mayFail: true })
    assert.match(refused.stderr, /main \(deletion of the current branch prohibited\)/)
    assert.match(refused.stderr, /main -> x \(atomic push failure\)/)
    const report = await push(url, [{ old: zeroId, new: tip, ref: 'refs/heads/later' }], emptyPack)
    assert.equal(report.refs.get('refs/heads/later'), 'missing necessary objects')
  })

  it('that only delete need no pack', async () => {
    const url = await create('deletes')
    const report = await push(url, around({ old: tips.older, new: zeroId, ref: 'refs/heads/older' }).slice(1), none, { capabilities })
    assert.deepEqual([...report.refs.values()], ['ok', 'ok'], report.text)
  })
})
