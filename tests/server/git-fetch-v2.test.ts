// Protocol version 2 against the server: what is advertised as settings say, commands by hand, and what real clients make of them.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { capabilities, command, post, refusalOf, sectionsOf, textOf } from '../support/fetch-wire.ts'
import type { Git } from '../support/git.ts'
import { type Host, openHost, stemmaOnly, testNodes } from '../support/host.ts'
import { flush, pkt, send } from '../support/wire.ts'

let host: Host
let git: Git
let work: string
let url: string
let next = 0

before(async () => {
  host = await openHost('fetch-v2')
  git = host.git
  work = await git.makeRepository(host.folder.join('work'), 30)
  await git.run(['tag', '-a', '-m', 'annotated', 'v1', 'main~5'], { cwd: work })
  await git.run(['branch', 'side', 'main~10'], { cwd: work })
  url = await host.create('v2')
  await git.run(['push', '-q', url, 'main', 'side', 'v1'], { cwd: work })
})
after(async () => await host?.close())

const id = async (name: string): Promise<string> => await git.read(['rev-parse', name], { cwd: work })
const target = () => host.folder.join(`clone-${next++}`)

/** A repository with these settings and the same refs. */
async function configured(name: string, settings: Readonly<Record<string, unknown>>): Promise<string> {
  const own = await host.create(name)
  await git.run(['push', '-q', own, 'main', 'side', 'v1'], { cwd: work })
  await host.configure(name, settings)
  return own
}

describe('capabilities', stemmaOnly, () => {
  it('are those of the hosted defaults', async () => {
    const lines = await capabilities(url)
    assert.deepEqual(
      lines.map((line) => line.replace(/=(stemma\/|stemma-).*/, '=…')),
      [
        'version 2',
        'agent=…',
        'ls-refs=unborn',
        'fetch=shallow wait-for-done filter',
        'server-option',
        'object-format=sha1',
        'session-id=…',
        'object-info=size',
        'bundle-uri',
      ],
    )
    // each node has an id of its own
    for (let n = 1; n < testNodes; n++) await capabilities(url)
    assert.equal(
      (await capabilities(url)).find((line) => line.startsWith('session-id')),
      lines[6],
    )
  })

  it('follow the settings', async () => {
    const blob = await id('main:file-1.txt')
    const own = await configured('capable', {
      'uploadpack.allowFilter': false,
      'uploadpack.allowRefInWant': true,
      'uploadpack.allowSidebandAll': true,
      'uploadpack.blobPackfileUri': [`${blob} ${'1'.repeat(40)} https://example.org/a.pack`],
      'lsrefs.unborn': 'allow',
      'transfer.advertiseSID': false,
      'transfer.advertiseObjectInfo': false,
      'uploadpack.advertiseBundleURIs': false,
    })
    assert.deepEqual((await capabilities(own)).slice(2), [
      'ls-refs',
      'fetch=shallow wait-for-done ref-in-want sideband-all packfile-uris',
      'server-option',
      'object-format=sha1',
    ])
    assert.equal(refusalOf(await command(own, 'object-info', ['size'])), "invalid command 'object-info'")
    assert.equal(refusalOf(await command(own, 'bundle-uri', [])), "invalid command 'bundle-uri'")
    assert.equal(refusalOf(await command(own, 'fetch', ['filter blob:none'])), "unexpected line: 'filter blob:none'")
    assert.equal(refusalOf(await command(url, 'fetch', ['want-ref refs/heads/main'])), "unexpected line: 'want-ref refs/heads/main'")
  })

  it('of versions 0 and 1 do, too', async () => {
    const first = async (address: string) => {
      const answer = await send(address, `${new URL(address).pathname}/info/refs?service=git-upload-pack`)
      return answer.body.toString().split('\0')[1]?.split('\n')[0]?.split(' ') ?? []
    }
    const hosted = await first(url)
    for (const word of ['allow-reachable-sha1-in-want', 'filter', 'no-done', 'symref=HEAD:refs/heads/main'])
      assert.ok(hosted.includes(word), word)
    assert.ok(!hosted.includes('allow-tip-sha1-in-want'))
    const own = await first(
      await configured('capable-v0', {
        'uploadpack.allowFilter': false,
        'uploadpack.allowTipSHA1InWant': true,
        'uploadpack.allowReachableSHA1InWant': false,
      }),
    )
    assert.ok(own.includes('allow-tip-sha1-in-want'))
    assert.ok(!own.includes('filter') && !own.includes('allow-reachable-sha1-in-want'))
  })
})

describe('commands', () => {
  it('take server options, from ls-remote, fetch and clone', async () => {
    const options = ['-o', 'hello', '-o', 'world']
    await git.run(['ls-remote', ...options, url])
    const clone = target()
    await git.run(['clone', '-q', '--server-option=hello', url, clone])
    await git.run(['fetch', '-q', ...options, 'origin', 'main'], { cwd: clone })
  })

  it('tell the name of an unborn branch, unless the settings say otherwise', stemmaOnly, async () => {
    const empty = await host.create('unborn')
    assert.deepEqual(textOf(await command(empty, 'ls-refs', ['symrefs', 'unborn'])), ['unborn HEAD symref-target:refs/heads/main', '0000'])
    await host.configure('unborn', { 'lsrefs.unborn': 'ignore' })
    assert.deepEqual(textOf(await command(empty, 'ls-refs', ['symrefs', 'unborn'])), ['0000'])
  })

  it('answer a client that only negotiates', async () => {
    const clone = target()
    await git.run(['clone', '-q', url, clone])
    const tip = await git.commit(clone, { 'own.txt': 'own\n' })
    const common = await git.read(['fetch', '--negotiate-only', `--negotiation-tip=${tip}`, 'origin'], { cwd: clone })
    assert.equal(common, await id('main'))
  })

  it('tell sizes of what the refs reach, and nothing of what they do not', stemmaOnly, async () => {
    const [blob, tree, tag, commit] = [await id('main:file-1.txt'), await id('main^{tree}'), await id('v1'), await id('main~20')]
    const sizes = await Promise.all(
      [blob, tree, tag, commit].map(async (oid) => `${oid} ${await git.read(['cat-file', '-s', oid], { cwd: work })}`),
    )
    const unknown = '1'.repeat(40)
    const oids = [blob, tree, tag, commit, unknown, blob].map((oid) => `oid ${oid}`)
    assert.deepEqual(textOf(await command(url, 'object-info', ['size', ...oids])), [
      'size',
      ...sizes,
      `${unknown} `,
      sizes[0] as string,
      '0000',
    ])
    assert.deepEqual(textOf(await command(url, 'object-info', [`oid ${blob}`])), [blob, '0000'])
    assert.deepEqual(textOf(await command(url, 'object-info', ['size'])), ['0000'])
  })

  it('are refused in the words of git', stemmaOnly, async () => {
    assert.equal(refusalOf(await command(url, 'frobnicate', [])), "invalid command 'frobnicate'")
    assert.equal(refusalOf(await command(url, 'ls-refs', [], { keys: ['promisor-remote=x'] })), "unknown capability 'promisor-remote=x'")
    assert.equal(refusalOf(await command(url, 'fetch', ['sideband-all'])), "unexpected line: 'sideband-all'")
    assert.equal(refusalOf(await command(url, 'fetch', [`want ${'1'.repeat(40)}`, 'done'])), `upload-pack: not our ref ${'1'.repeat(40)}`)
  })
})

describe('sideband-all', stemmaOnly, () => {
  it('frames every section, with everything that stands before a pack', async () => {
    const own = await configured('framed', { 'uploadpack.allowSidebandAll': true, 'uploadpack.allowRefInWant': true })
    const [main, old] = [await id('main'), await id('main~2')]
    const args = ['sideband-all', 'no-progress', 'want-ref refs/heads/main', `have ${old}`]
    const lines = await command(own, 'fetch', [...args, 'deepen 3'])
    const { sections, pack } = sectionsOf(lines, true)
    assert.deepEqual([...sections.keys()], ['acknowledgments', 'shallow-info', 'wanted-refs', 'packfile'])
    assert.deepEqual(sections.get('acknowledgments'), [`ACK ${old}`, 'ready'])
    assert.deepEqual(sections.get('shallow-info'), [`shallow ${old}`])
    assert.deepEqual(sections.get('wanted-refs'), [`${main} refs/heads/main`])
    assert.equal(pack.subarray(0, 4).toString(), 'PACK')
    const refused = sectionsOf(await command(own, 'fetch', ['sideband-all', `want ${'1'.repeat(40)}`, 'done']), true)
    assert.deepEqual(refused.sections.get('error'), [`upload-pack: not our ref ${'1'.repeat(40)}`])
    const malformed = sectionsOf(await command(own, 'fetch', ['sideband-all', 'frobnicate']), true)
    assert.deepEqual(malformed.sections.get('error'), ["unexpected line: 'frobnicate'"])
  })

  it('serves real clients', async () => {
    const own = await configured('framed-clients', { 'uploadpack.allowSidebandAll': true })
    const clone = target()
    await git.run(['clone', '-q', '--depth', '3', own, clone], { env: { GIT_TEST_SIDEBAND_ALL: '1' } })
    await git.run(['fetch', '-q', '--unshallow', 'origin', 'main'], { cwd: clone, env: { GIT_TEST_SIDEBAND_ALL: '1' } })
    await git.run(['fsck', '--strict'], { cwd: clone })
    assert.equal(await git.read(['rev-parse', 'origin/main'], { cwd: clone }), await id('main'))
  })
})

describe('HTTP', stemmaOnly, () => {
  it('says as http-backend when fetches are switched off, or the type is wrong', async () => {
    const own = await configured('off', { 'http.uploadpack': false })
    const path = new URL(own).pathname
    const listing = await send(own, `${path}/info/refs?service=git-upload-pack`)
    assert.deepEqual([listing.status, listing.body.toString().trim()], [403, "Service not enabled: 'upload-pack'"])
    await assert.rejects(post(own, flush), /403 Service not enabled: 'upload-pack'/)
    const wrong = await send(url, `${new URL(url).pathname}/git-upload-pack`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-git-receive-pack-request' },
      body: pkt('x'),
    })
    assert.equal(wrong.status, 415)
    assert.match(
      wrong.body.toString(),
      /Expected POST with Content-Type 'application\/x-git-upload-pack-request', but received 'application\/x-git-receive-pack-request' instead\./,
    )
    const unknown = await send(url, `${new URL(url).pathname}/info/refs?service=git-frobnicate`)
    assert.deepEqual([unknown.status, unknown.body.toString().trim()], [403, "Unsupported service: 'git-frobnicate'"])
  })
})
