// Refs wanted by name (protocol version 2, ref-in-want): what stands there when the pack is made, and nothing that is hidden.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { command, refusalOf, sectionsOf } from '../support/fetch-wire.ts'
import type { Git } from '../support/git.ts'
import { type Host, onPeer, openHost, stemmaOnly } from '../support/host.ts'

let host: Host
let git: Git
let work: string
let url: string
let next = 0

before(async () => {
  host = await openHost('ref-in-want')
  git = host.git
  work = await git.makeRepository(host.folder.join('work'), 6)
  await git.run(['branch', 'o/foo', 'main~2'], { cwd: work })
  await git.run(['branch', 'o/bar', 'main~3'], { cwd: work })
  await git.run(['tag', '-a', '-m', 'annotated', 'v1', 'main~4'], { cwd: work })
  url = await host.create('ref-in-want')
  await git.run(['push', '-q', url, 'main', 'o/foo', 'o/bar', 'v1', 'main~1:refs/hidden/one'], { cwd: work })
  if (!onPeer) await host.configure('ref-in-want', { 'uploadpack.allowRefInWant': true })
})
after(async () => await host?.close())

const id = async (name: string): Promise<string> => await git.read(['rev-parse', name], { cwd: work })
const target = () => host.folder.join(`clone-${next++}`)

describe('by hand', stemmaOnly, () => {
  const wanted = async (...args: string[]) => sectionsOf(await command(url, 'fetch', ['no-progress', ...args, 'done'])).sections

  it('one, several, HEAD and a tag are answered with their values', async () => {
    assert.deepEqual((await wanted('want-ref refs/heads/main')).get('wanted-refs'), [`${await id('main')} refs/heads/main`])
    const several = await wanted('want-ref refs/heads/o/foo', 'want-ref HEAD', 'want-ref refs/tags/v1', `have ${await id('main~5')}`)
    assert.deepEqual(several.get('wanted-refs'), [
      `${await id('o/foo')} refs/heads/o/foo`,
      `${await id('main')} HEAD`,
      `${await id('v1')} refs/tags/v1`,
    ])
  })

  it('beside ids, and what the client has already', async () => {
    const mixed = sectionsOf(
      await command(url, 'fetch', [`want ${await id('o/bar')}`, 'want-ref refs/heads/o/foo', `have ${await id('o/foo')}`, 'done']),
    )
    assert.deepEqual(mixed.sections.get('wanted-refs'), [`${await id('o/foo')} refs/heads/o/foo`])
    assert.equal(mixed.pack.readUInt32BE(8), 0)
  })

  it('what is not there, is no full name, or comes twice is refused', async () => {
    const refusal = async (...args: string[]) => refusalOf(await command(url, 'fetch', [...args, 'done']))
    assert.equal(await refusal('want-ref refs/heads/none'), 'unknown ref refs/heads/none')
    assert.equal(await refusal('want-ref main'), 'unknown ref main')
    assert.equal(await refusal(`want-ref ${await id('main')}`), `unknown ref ${await id('main')}`)
    assert.equal(await refusal('want-ref refs/heads/main', 'want-ref refs/heads/main'), 'duplicate want-ref refs/heads/main')
  })

  it('a hidden ref looks like a missing one', async () => {
    assert.ok((await wanted('want-ref refs/hidden/one')).has('wanted-refs'))
    await host.configure('ref-in-want', { 'transfer.hideRefs': ['refs/hidden'] })
    assert.equal(refusalOf(await command(url, 'fetch', ['want-ref refs/hidden/one', 'done'])), 'unknown ref refs/hidden/one')
    await host.configure('ref-in-want', { 'transfer.hideRefs': [] })
  })
})

describe('the real git', () => {
  /** What the client asked for, by its packet trace. */
  async function fetched(cwd: string, ...args: string[]): Promise<string> {
    const { stderr } = await git.run(['fetch', ...args], { cwd, env: { GIT_TRACE_PACKET: '1' } })
    return stderr
  }

  it('asks by name, with wildcards and ids among them', stemmaOnly, async () => {
    const clone = target()
    await git.run(['init', '-q', clone])
    await git.run(['remote', 'add', 'origin', url], { cwd: clone })
    const both = await fetched(clone, 'origin', 'main', 'o/foo', `${await id('o/bar')}:refs/heads/actual`)
    assert.match(both, /want-ref refs\/heads\/main/)
    assert.match(both, /want-ref refs\/heads\/o\/foo/)
    assert.match(both, new RegExp(`want ${await id('o/bar')}`))
    assert.equal(await git.read(['rev-parse', 'actual'], { cwd: clone }), await id('o/bar'))
    await fetched(clone, 'origin', 'refs/heads/o*:refs/heads/o*')
    assert.equal(await git.read(['rev-parse', 'o/foo', 'o/bar'], { cwd: clone }), `${await id('o/foo')}\n${await id('o/bar')}`)
    await fetched(clone, 'origin', 'refs/heads/none*:refs/heads/*')
    await git.run(['fsck', '--strict'], { cwd: clone })
  })

  it('gets shallow history by name: its sections come in the order of the protocol', async () => {
    const clone = target()
    await git.run(['clone', '-q', '--depth', '2', url, clone])
    await git.run(['fetch', '-q', '--depth', '3', 'origin', 'main'], { cwd: clone })
    assert.equal(await git.read(['rev-list', '--count', 'HEAD'], { cwd: clone }), '3')
  })

  it(
    'does not ask by name where that was not allowed: a branch that is merged and deleted during a clone is no reason to fail',
    stemmaOnly,
    async () => {
      const to = await host.create('by-id')
      await git.run(['push', '-q', to, 'main', 'o/foo'], { cwd: work })
      const clone = target()
      const { stderr } = await git.run(['clone', '-q', to, clone], { env: { GIT_TRACE_PACKET: '1' } })
      assert.match(stderr, /want [0-9a-f]{40}/)
      assert.doesNotMatch(stderr, /want-ref/)
      const listed = await id('o/foo')
      await git.run(['push', '-q', to, ':o/foo'], { cwd: work })
      const { pack } = sectionsOf(await command(to, 'fetch', ['no-progress', `want ${listed}`, 'done']))
      assert.ok(pack.readUInt32BE(8) > 0)
    },
  )

  it('has a ref that moves between its listing and its wish as it stands then', stemmaOnly, async () => {
    const old = await id('main')
    await git.commit(work, { 'moved.txt': 'moved\n' }, 'moved')
    await git.run(['push', '-q', url, 'main'], { cwd: work })
    const { sections } = sectionsOf(await command(url, 'fetch', ['want-ref refs/heads/main', `have ${old}`, 'done']))
    assert.deepEqual(sections.get('wanted-refs'), [`${await id('main')} refs/heads/main`])
  })
})
