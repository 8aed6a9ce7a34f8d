// Two repositories in one network share what is stored. A public one must not tell anything of its private fork, or of one that was deleted:
// each way by which a fetch names an object is tried.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { openDatabase } from '../support/database.ts'
import { command, post, refusalOf, sectionsOf, textOf } from '../support/fetch-wire.ts'
import type { Git } from '../support/git.ts'
import { type Host, openHost, stemmaOnly } from '../support/host.ts'
import { flush, pkt, send } from '../support/wire.ts'

let host: Host
let git: Git
let work: string
let parent: string
let fork: string
/** What only the fork has. */
let secret: { commit: string; below: string; tree: string; blob: string; tag: string }
let main: string
/** A file that everybody may see, and that stands in the secret commit, too. */
let publicPath: string
const nowhere = 'cd'.repeat(20)

/** A fork by a row of its own: the same network, private. */
async function makeFork(name: string): Promise<string> {
  const database = await openDatabase(host.server)
  await database.query(
    `insert into repository (owner_id, network_id, name, visibility, head)
     select owner_id, network_id, $1, 'private', head from repository where name = 'parent'`,
    [name],
  )
  await database.end()
  return host.server.repositoryUrl(name)
}

before(async () => {
  host = await openHost('fork-privacy')
  git = host.git
  if (host.kind !== 'stemma') return
  work = await git.makeRepository(host.folder.join('work'), 8)
  main = await git.read(['rev-parse', 'main'], { cwd: work })
  publicPath = (await git.read(['ls-tree', '--name-only', '-r', 'main'], { cwd: work })).split('\n')[0] as string
  await host.server.create('parent', { private: false })
  parent = host.server.repositoryUrl('parent')
  await git.run(['push', '-q', parent, 'main'], { cwd: work })
  await host.configure('parent', { 'uploadpack.allowRefInWant': true }) // one more way to ask
  parent = host.server.repositoryUrl('parent', '') // as anybody
  fork = await makeFork('fork')
  await git.run(['switch', '-q', '-c', 'secret'], { cwd: work })
  const below = await git.commit(work, { 'secret.txt': `below\n${'line\n'.repeat(500)}` }, 'below')
  const commit = await git.commit(work, { 'secret.txt': `tip\n${'line\n'.repeat(500)}`, patterns: '/secret.txt\n' }, 'tip')
  await git.run(['tag', '-a', '-m', 'sealed', 'sealed'], { cwd: work })
  const read = async (name: string) => await git.read(['rev-parse', name], { cwd: work })
  secret = { commit, below, tree: await read('secret^{tree}'), blob: await read('secret:secret.txt'), tag: await read('sealed') }
  await git.run(['push', '-q', fork, 'secret', 'main', 'sealed'], { cwd: work })
})
after(async () => await host?.close())

/** Everything that a stranger can try; each must look as if nothing of it were stored. */
async function assertUnknown(url: string): Promise<void> {
  for (const oid of Object.values(secret)) {
    assert.equal(refusalOf(await command(url, 'fetch', [`want ${oid}`, 'done'])), `upload-pack: not our ref ${oid}`)
    const old = await post(url, Buffer.concat([pkt(`want ${oid} side-band-64k`), flush, pkt('done')]))
    assert.equal(old.subarray(4).toString(), `ERR upload-pack: not our ref ${oid}`)
    const sized = await command(url, 'object-info', ['size', `oid ${oid}`])
    assert.deepEqual(textOf(sized), ['size', `${oid} `, '0000'])
    const claimed = await command(url, 'fetch', [`want ${main}`, `have ${oid}`])
    assert.deepEqual(sectionsOf(claimed).sections.get('acknowledgments'), ['NAK'])
    const patterns = refusalOf(await command(url, 'fetch', [`want ${main}`, `filter sparse:oid=${oid}`, 'done']))
    assert.equal(patterns, `unable to access sparse blob in '${oid}'`)
  }
  for (const name of ['refs/heads/secret', 'refs/tags/sealed']) {
    assert.equal(refusalOf(await command(url, 'fetch', [`want-ref ${name}`, 'done'])), `unknown ref ${name}`)
    assert.match(refusalOf(await command(url, 'fetch', [`want ${main}`, `deepen-not ${name}`, 'done'])), /deepen-not is not a ref/)
  }
  const walked = refusalOf(await command(url, 'fetch', [`want ${main}`, `filter sparse:oid=${secret.commit}:patterns`, 'done']))
  assert.equal(walked, `unable to access sparse blob in '${secret.commit}:patterns'`)
  // the start of a path is as secret as its end, also where what stands there is public
  const known = `${secret.commit}:${publicPath}`
  const named = refusalOf(await command(url, 'fetch', [`want ${main}`, `filter sparse:oid=${known}`, 'done']))
  assert.equal(named, `unable to access sparse blob in '${known}'`)
  // nor does the refusal pass over what is stored to what is not
  for (const [first, second] of [
    [secret.blob, nowhere],
    [nowhere, secret.blob],
    [secret.tree, secret.commit],
  ]) {
    const both = refusalOf(await command(url, 'fetch', [`want ${main}`, `want ${first}`, `want ${second}`, 'done']))
    assert.equal(both, `upload-pack: not our ref ${first}`)
  }
  const packFor = async (commit: string) =>
    Buffer.concat((await command(url, 'fetch', [`want ${main}`, `shallow ${commit}`, 'done'])).map((line) => Buffer.from(line)))
  assert.ok((await packFor(secret.commit)).equals(await packFor(nowhere)), 'a boundary that is stored makes another pack')
  const cut = await command(url, 'fetch', [`want ${main}`, `shallow ${secret.commit}`, 'deepen 2147483647', 'done'])
  assert.deepEqual(sectionsOf(cut).sections.get('shallow-info'), [])
}

/** The same by the faces that know no wants: files of the dumb protocol, and archives. */
async function assertNoFile(url: string): Promise<void> {
  const get = async (path: string) => await send(url, `${new URL(url).pathname}/${path}`)
  for (const oid of Object.values(secret)) {
    assert.equal((await get(`objects/${oid.slice(0, 2)}/${oid.slice(2)}`)).status, 404)
    for (const name of [oid, oid.slice(0, 8)]) assert.equal((await get(`archive/${name}.tar.gz`)).status, 404)
    const body = Buffer.concat([pkt(`argument ${oid}\n`), flush])
    const headers = { 'content-type': 'application/x-git-upload-archive-request' }
    const answer = await send(url, `${new URL(url).pathname}/git-upload-archive`, { method: 'POST', headers, body })
    assert.match(answer.body.toString(), /fatal: (no such ref|not a valid object name): /)
  }
  for (const [, name] of (await get('objects/info/packs')).body.toString().matchAll(/^P (\S+)\.pack$/gm)) {
    const idx = (await get(`objects/pack/${name}.idx`)).body
    for (const oid of Object.values(secret)) assert.equal(idx.indexOf(Buffer.from(oid, 'hex')), -1, `${oid} in ${name}`)
  }
}

describe('a public repository tells nothing', stemmaOnly, () => {
  it('of its private fork, whose owner has it all', async () => {
    await assertUnknown(parent)
    const copy = host.folder.join('fork')
    await git.run(['clone', '-q', '--mirror', fork, copy])
    assert.equal(await git.read(['rev-parse', 'refs/heads/secret'], { cwd: copy }), secret.commit)
    assert.equal(await git.read(['cat-file', '-t', secret.blob], { cwd: copy }), 'blob')
  })

  it('of it by files and archives, under any switch that they have', async () => {
    await assertNoFile(parent)
    await host.configure('parent', { 'uploadarchive.allowUnreachable': true })
    await assertNoFile(parent)
  })

  it('of it under any switch that the API has', async () => {
    const any = await host.server.api('PATCH', '/api/v3/repos/admin/parent/git-config', { 'uploadpack.allowAnySHA1InWant': true })
    assert.equal(any.status, 422)
    await host.configure('parent', { 'uploadpack.allowTipSHA1InWant': true, 'transfer.hideRefs': ['refs/none'] })
    await assertUnknown(parent)
  })

  it('sends no delta that rests on what only the fork has', async () => {
    // the parent gets the same file later, which its own push may store as a delta against the fork's
    await git.run(['switch', '-q', 'main'], { cwd: work })
    const next = await git.commit(work, { 'public.txt': `public\n${'line\n'.repeat(500)}` }, 'public')
    await git.run(['push', '-q', host.server.repositoryUrl('parent'), 'main'], { cwd: work })
    const lines = ['thin-pack', 'ofs-delta', 'no-progress', `want ${next}`, `have ${main}`, `have ${secret.commit}`, 'done']
    const { pack } = sectionsOf(await command(parent, 'fetch', lines))
    const clone = host.folder.join('thin')
    await git.run(['init', '-q', '--bare', clone])
    await git.run(['fetch', '-q', parent, `${main}:refs/heads/old`], { cwd: clone })
    await git.run(['index-pack', '--stdin', '--fix-thin'], { cwd: clone, input: pack })
    assert.equal(await git.read(['cat-file', '-t', next], { cwd: clone }), 'commit')
    for (const oid of Object.values(secret)) {
      assert.notEqual((await git.run(['cat-file', '-e', oid], { cwd: clone, mayFail: true })).code, 0)
    }
  })

  it('of a fork that was deleted, though its pack is still stored', async () => {
    const answer = await host.server.api('DELETE', '/api/v3/repos/admin/fork')
    assert.equal(answer.status, 204)
    await assertUnknown(parent)
    await assertNoFile(parent)
  })
})
