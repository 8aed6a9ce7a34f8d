// Forks share a store, and nothing else: who knows the id of a private fork's object must not get at it by pushing something that names it,
// while pushes that rest on what their own repository or a readable one shows go through, and send no more than they need.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import type pg from 'pg'
import { openDatabase } from '../support/database.ts'
import { Forks } from '../support/forks.ts'
import type { Git } from '../support/git.ts'
import { type Host, onPeer, openHost } from '../support/host.ts'
import { type BuiltObject, blob, commit, copyingDelta, object, PackBuilder, tree } from '../support/pack-builder.ts'
import { stemmaStorage } from '../support/target.ts'
import { advertisedRefs, push, type PushReport, readPkts, send, zeroId } from '../support/wire.ts'

const secretFile = blob('a secret that only Alice may see\n'.repeat(30))
const secretTree = tree(['100644', 'secret.txt', secretFile.id])
const secretCommit = commit(secretTree.id, [], 'secret\n')
const nowhere = 'cd'.repeat(20)

let host: Host
let git: Git
let database: pg.Client
let forks: Forks
let upstream: string
let alices: string
let bobs: string
let work: string
let base: string

before(async () => {
  if (onPeer) return
  host = await openHost('fork-network')
  git = host.git
  database = await openDatabase(host.server)
  forks = Forks.open(host.server)
  work = await git.makeRepository(host.folder.join('work'), 8)
  base = await git.read(['rev-parse', 'main'], { cwd: work })
  upstream = await host.server.create('upstream', { private: false })
  await git.run(['push', '-q', upstream, 'main'], { cwd: work })
  const alice = await forks.account('alice')
  alices = await forks.fork(['admin', 'upstream'], alice, 'fork', 'private')
  bobs = await forks.fork(['admin', 'upstream'], await forks.account('bob'), 'fork', 'public')
  await takes(alices, secretCommit, [secretCommit, secretTree, secretFile], 'refs/heads/secret')
})
after(async () => {
  await forks?.close()
  await database?.end()
  await host?.close()
})

const report = (url: string, tip: string, pack: PackBuilder, ref: string) => push(url, [{ old: zeroId, new: tip, ref }], pack.build())

async function takes(url: string, tip: BuiltObject, objects: readonly BuiltObject[], ref: string): Promise<void> {
  const answer = await report(url, tip.id, new PackBuilder().addAll(...objects), ref)
  assert.equal(answer.refs.get(ref), 'ok', `${answer.unpack} ${answer.text}`)
}

/** What is said of a push, without the ids that it names: so that a hidden object and a missing one can be compared. */
function words({ unpack, refs, text }: PushReport): string {
  const all = `${unpack}\n${[...refs].map(([, verdict]) => verdict).join('\n')}\n${text.replaceAll(/^(Unpacking|Resolving|Checking).*$/gm, '')}`
  return all.replaceAll(/[0-9a-f]{40}/g, 'ID')
}

/** Refused, in the words in which it is refused for an object that is nowhere; and nothing of it can be fetched. */
async function refuses(make: (secret: string) => { readonly tip: string; readonly pack: PackBuilder }, secret: string): Promise<void> {
  const said: string[] = []
  for (const id of [secret, nowhere]) {
    const { tip, pack } = make(id)
    const ref = `refs/heads/theft-${randomUUID().slice(0, 8)}`
    const answer = await report(bobs, tip, pack, ref)
    assert.notEqual(answer.refs.get(ref), 'ok')
    assert.equal((await advertisedRefs(bobs)).has(ref), false)
    said.push(words(answer))
  }
  assert.equal(said[0], said[1])
}

describe('a private fork’s objects', stemmaStorage, () => {
  it('are not had by a ref that points to them', async () => {
    for (const id of [secretCommit.id, secretTree.id, secretFile.id])
      await refuses((secret) => ({ tip: secret, pack: new PackBuilder() }), id)
  })

  it('are not had by a tree that names them', async () => {
    const inTree = (mode: string) => (secret: string) => {
      const top = tree([mode, 'x', secret])
      const tip = commit(top.id, [base])
      return { tip: tip.id, pack: new PackBuilder().addAll(tip, top) }
    }
    await refuses(inTree('100644'), secretFile.id)
    await refuses(inTree('40000'), secretTree.id)
  })

  it('are not had by a commit or tag that names them', async () => {
    await refuses((secret) => {
      const top = tree()
      const tip = commit(top.id, [base, secret])
      return { tip: tip.id, pack: new PackBuilder().addAll(tip, top) }
    }, secretCommit.id)
    await refuses((secret) => {
      const tip = commit(secret)
      return { tip: tip.id, pack: new PackBuilder().addAll(tip) }
    }, secretTree.id)
    await refuses((secret) => {
      const tip = object('tag', `object ${secret}\ntype commit\ntag t\ntagger T <t@example.com> 1700000000 +0000\n\nt\n`)
      return { tip: tip.id, pack: new PackBuilder().addAll(tip) }
    }, secretCommit.id)
  })

  it('are not told of by an old value that the pusher claims', async () => {
    const rules = { 'receive.denynonfastforwards': ['true'] }
    const settle = `update repository set settings = $1 where name = 'fork' and visibility = 'public'`
    await database.query(settle, [JSON.stringify(rules)])
    const top = tree()
    const tip = commit(top.id, [base], 'mine\n')
    const said: string[] = []
    for (const old of [secretCommit.id, nowhere]) {
      const pack = new PackBuilder().addAll(tip, top)
      said.push(words(await push(bobs, [{ old, new: tip.id, ref: 'refs/heads/claimed' }], pack.build())))
    }
    await database.query(settle, ['{}'])
    assert.equal(said[0], said[1])
    assert.match(said[0] ?? '', /bad sha1 objects/)
  })

  it('are not had by a delta that rests on them', async () => {
    await refuses((secret) => {
      const stolen = Buffer.concat([secretFile.bytes, Buffer.from('!')])
      const file = blob(stolen)
      const top = tree(['100644', 'stolen.txt', file.id])
      const tip = commit(top.id, [base])
      const pack = new PackBuilder().addAll(tip, top)
      pack.addRefDelta(secret, copyingDelta(secretFile.bytes.length, 0, secretFile.bytes.length, '!'))
      return { tip: tip.id, pack }
    }, secretFile.id)
  })

  it('are not had by an update that claims a secret as its old value', async () => {
    const top = tree(['100644', 'x', secretFile.id])
    const tip = commit(top.id, [base])
    for (const old of [secretCommit.id, secretTree.id]) {
      const pack = new PackBuilder().addAll(tip, top).build()
      const answer = await push(bobs, [{ old, new: tip.id, ref: 'refs/heads/main' }], pack)
      assert.equal(answer.refs.get('refs/heads/main'), 'unpacker error')
      assert.match(answer.text, /missing blob/)
    }
  })

  it('are not told of by a deletion', async () => {
    const said = await Promise.all(
      [secretCommit.id, nowhere].map(async (old) =>
        words(await push(bobs, [{ old, new: zeroId, ref: 'refs/heads/none' }], Buffer.alloc(0))),
      ),
    )
    assert.equal(said[0], said[1])
  })

  it('are neither shown as .have nor served', async () => {
    assert.equal((await haves(bobs)).includes(secretCommit.id), false)
    const fetched = await git.run(['fetch', bobs, secretCommit.id], { cwd: work, mayFail: true })
    assert.match(fetched.stderr, /not our ref/)
  })

  it('stay hidden when the fork is deleted', async () => {
    const carol = await forks.account('carol')
    const url = await forks.fork(['admin', 'upstream'], carol, 'short-lived', 'private')
    const file = blob(`Carol’s own ${randomUUID()}`)
    const top = tree(['100644', 'own.txt', file.id])
    const tip = commit(top.id, [base])
    await takes(url, tip, [tip, top, file], 'refs/heads/own')
    await database.query(`delete from repository where name = 'short-lived'`)
    await refuses((secret) => ({ tip: secret, pack: new PackBuilder() }), tip.id)
    await refuses((secret) => {
      const thief = tree(['100644', 'x', secret])
      const theft = commit(thief.id, [base])
      return { tip: theft.id, pack: new PackBuilder().addAll(theft, thief) }
    }, file.id)
  })

  it('stay hidden when only one repository is left in the network', async () => {
    const lone = await host.server.create('lone', { private: false })
    await git.run(['push', '-q', lone, 'main'], { cwd: work })
    const url = await forks.fork(['admin', 'lone'], await forks.account('dave'), 'gone', 'private')
    const file = blob(`Dave’s own ${randomUUID()}`)
    const top = tree(['100644', 'own.txt', file.id])
    const tip = commit(top.id)
    await takes(url, tip, [tip, top, file], 'refs/heads/own')
    await database.query(`delete from repository where name = 'gone'`)
    const answer = await report(lone, tip.id, new PackBuilder(), 'refs/heads/theft')
    assert.equal(answer.refs.get('refs/heads/theft'), 'missing necessary objects')
  })
})

describe('pushes in a network', stemmaStorage, () => {
  it('rest on what the fork has of its source', async () => {
    const before = await packed()
    const clone = host.folder.join('bob')
    await git.run(['clone', '-q', bobs, clone])
    await git.commit(clone, { 'file-1.txt': `${'line\n'.repeat(200)}changed\n` })
    await git.run(['push', '-q', bobs, 'HEAD:main'], { cwd: clone })
    assert.ok((await packed()) - before <= 4, 'a thin pack: commit, tree, blob, and a base at most')
    await git.run(['push', '-q', bobs, `${base}~3:refs/heads/old`], { cwd: clone })
    const copy = host.folder.join('bob-copy.git')
    await git.run(['clone', '-q', '--mirror', bobs, copy])
    await git.run(['fsck', '--strict'], { cwd: copy })
  })

  it('may name any object that their own history holds, old blobs and trees too', async () => {
    const objects = (await git.read(['rev-list', '--objects', '--no-object-names', base], { cwd: work })).split('\n')
    const kinds = await git.read(['cat-file', '--batch-check=%(objectname) %(objecttype)'], { cwd: work, input: `${objects.join('\n')}\n` })
    const entries = kinds
      .split('\n')
      .map((line) => line.split(' '))
      .filter(([, kind]) => kind !== 'commit')
      .map(([id = '', kind], n) => [kind === 'tree' ? '40000' : '100644', `n${String(n).padStart(4, '0')}`, id] as const)
    const top = tree(...entries)
    const tip = commit(top.id, [base])
    await takes(bobs, tip, [tip, top], 'refs/heads/everything')
  })

  it('may bring what another repository has, too', async () => {
    const tip = commit(secretTree.id, [base], 'guessed\n')
    await takes(bobs, tip, [tip, secretTree, secretFile], 'refs/heads/guessed')
    await refuses((secret) => ({ tip: secret, pack: new PackBuilder() }), secretCommit.id)
  })

  it('may rest a delta on what the pack itself makes, whoever else has that', async () => {
    const first = blob(`${'a shared beginning\n'.repeat(20)}${randomUUID()}`)
    const second = blob(Buffer.concat([first.bytes, Buffer.from('second')]))
    const third = blob(Buffer.concat([second.bytes, Buffer.from('third')]))
    const hidden = tree(['100644', 'second', second.id])
    const hiddenTip = commit(hidden.id)
    await takes(alices, hiddenTip, [hiddenTip, hidden, second], 'refs/heads/second')
    const top = tree(['100644', 'a', first.id], ['100644', 'b', second.id], ['100644', 'c', third.id])
    const tip = commit(top.id, [base])
    const pack = new PackBuilder().addAll(tip, top)
    pack.addRefDelta(second.id, copyingDelta(second.bytes.length, 0, second.bytes.length, 'third'))
    pack.addRefDelta(first.id, copyingDelta(first.bytes.length, 0, first.bytes.length, 'second'))
    pack.add(first)
    const answer = await report(bobs, tip.id, pack, 'refs/heads/deltas')
    assert.equal(answer.refs.get('refs/heads/deltas'), 'ok', `${answer.unpack} ${answer.text}`)
  })

  it('rest on a readable sibling’s tips, which are told as .have', async () => {
    const ahead = host.folder.join('ahead')
    await git.run(['clone', '-q', upstream, ahead])
    await git.commit(ahead, { 'news.txt': `${'news\n'.repeat(500)}` })
    const tip = await git.read(['rev-parse', 'HEAD'], { cwd: ahead })
    await git.run(['push', '-q', upstream, 'HEAD:main'], { cwd: ahead })
    const told = await haves(bobs)
    assert.equal(told.filter((id) => id === tip).length, 1)
    assert.equal(told.includes(base), false, 'no tip that the fork has itself')
    const before = await packed()
    await git.commit(ahead, { 'own.txt': 'on top\n' })
    await git.run(['push', '-q', bobs, 'HEAD:refs/heads/synced'], { cwd: ahead })
    assert.ok((await packed()) - before <= 4, 'what upstream has was not sent again: commit, tree, blob, and a base at most')
    // an update to exactly what upstream has: no object at all
    await git.run(['push', '-q', bobs, `${tip}:refs/heads/exactly`], { cwd: ahead })
  })

  it('of the private fork itself go on', async () => {
    const clone = host.folder.join('alice')
    await git.run(['clone', '-q', '-b', 'secret', alices, clone])
    await git.commit(clone, { 'secret.txt': 'changed\n' })
    await git.run(['push', '-q', alices, 'HEAD:secret', 'HEAD~1:refs/heads/before'], { cwd: clone })
    const copy = host.folder.join('alice-copy.git')
    await git.run(['clone', '-q', '--mirror', alices, copy])
    await git.run(['fsck', '--strict'], { cwd: copy })
  })
})

async function packed(): Promise<number> {
  const { rows } = await database.query<{ count: number }>('select coalesce(sum(object_count), 0)::int as count from pack')
  return rows[0]?.count ?? 0
}

/** Ids of the `.have` lines that pushers are told. */
async function haves(url: string): Promise<string[]> {
  const answer = await send(url, `${new URL(url).pathname}/info/refs?service=git-receive-pack`)
  return readPkts(answer.body)
    .map((line) => line.toString().split('\0')[0]?.trim() ?? '')
    .filter((line) => line.endsWith(' .have'))
    .map((line) => line.slice(0, 40))
}
