// What a server hands off to others (protocol version 2): bundles to start a clone from, packs elsewhere for some objects, promisor remotes.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createServer, type Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { capabilities, command, refusalOf, sectionsOf, textOf } from '../support/fetch-wire.ts'
import type { Git } from '../support/git.ts'
import { type Host, openHost, stemmaOnly } from '../support/host.ts'

let host: Host
let git: Git
let work: string
let files: HttpServer
let filesUrl: string
let next = 0
/** Paths that were fetched from elsewhere. */
const asked: string[] = []

before(async () => {
  host = await openHost('elsewhere')
  git = host.git
  work = await git.makeRepository(host.folder.join('work'), 10)
  await git.commit(work, { 'my-blob': 'my blob\n', 'other-blob': 'another\n' }, 'blobs')
  files = createServer((request, response) => {
    asked.push(request.url ?? '')
    try {
      response.end(readFileSync(host.folder.join(join('files', request.url ?? ''))))
    } catch {
      response.writeHead(404).end()
    }
  })
  await new Promise<void>((resolve) => files.listen(0, '127.0.0.1', resolve))
  filesUrl = `http://127.0.0.1:${(files.address() as AddressInfo).port}`
  await git.run(['init', '-q', host.folder.join('files')])
})
after(async () => {
  files?.close()
  await host?.close()
})

const target = () => host.folder.join(`clone-${next++}`)
const id = async (name: string): Promise<string> => await git.read(['rev-parse', name], { cwd: work })

async function hosted(name: string, settings: Readonly<Record<string, unknown>>): Promise<string> {
  const url = await host.create(name)
  await git.run(['push', '-q', url, 'main'], { cwd: work })
  await host.configure(name, settings)
  return url
}

/** A pack of one object among the files; its hash. */
async function packOf(oid: string): Promise<string> {
  const folder = host.folder.join('files')
  return await git.read(['pack-objects', '-q', join(folder, 'one')], { cwd: work, input: `${oid}\n` })
}

describe('bundle-uri', stemmaOnly, () => {
  const settings = {
    'bundle.version': '1',
    'bundle.mode': 'all',
    'bundle.heuristic': 'creationToken',
    'bundle.Daily.One.uri': 'https://example.org/one.bundle',
    'bundle.Daily.One.creationToken': '7',
    'bundle.part.filter': 'blob:none',
    'bundle.part.location': 'eu',
  }

  it('answers the bundle settings, a line each, keys as git config lists them', async () => {
    const url = await hosted('bundles', settings)
    assert.ok((await capabilities(url)).includes('bundle-uri'))
    assert.deepEqual(textOf(await command(url, 'bundle-uri', [])).toSorted(), [
      '0000',
      'bundle.Daily.One.creationtoken=7',
      'bundle.Daily.One.uri=https://example.org/one.bundle',
      'bundle.heuristic=creationToken',
      'bundle.mode=all',
      'bundle.part.filter=blob:none',
      'bundle.part.location=eu',
      'bundle.version=1',
    ])
    assert.equal(refusalOf(await command(url, 'bundle-uri', ['x'])), "bundle-uri: unexpected argument: 'x'")
  })

  it('answers nothing where nothing is set', async () => {
    assert.deepEqual(textOf(await command(await hosted('no-bundles', {}), 'bundle-uri', [])), ['0000'])
  })

  it('starts a clone of the real git from a bundle', async (t) => {
    const [major = 0, minor = 0] = (await git.read(['version'])).replace(/^\D*/, '').split('.').map(Number)
    if (major * 1000 + minor < 2040) return t.skip('this git knows no bundle-uri command: it takes 2.40')
    await git.run(['bundle', 'create', '-q', host.folder.join('files/start.bundle'), 'main'], { cwd: work })
    const uri = `${filesUrl}/start.bundle`
    const url = await hosted('bundled', { 'bundle.version': '1', 'bundle.mode': 'all', 'bundle.start.uri': uri })
    const clone = target()
    await git.run(['-c', 'transfer.bundleURI=true', 'clone', '-q', url, clone])
    assert.ok(asked.includes('/start.bundle'))
    // gits name it differently below refs/bundles
    assert.equal(await git.read(['for-each-ref', '--format=%(objectname)', 'refs/bundles'], { cwd: clone }), await id('main'))
    await git.run(['fsck', '--strict'], { cwd: clone })
  })
})

describe('packfile-uris', stemmaOnly, () => {
  it('leave objects out of the pack, which the real git gets from elsewhere', async () => {
    const [mine, other] = [await id('main:my-blob'), await id('main:other-blob')]
    const [minePack, otherPack] = [await packOf(mine), await packOf(other)]
    const uris = [`${mine} ${minePack} ${filesUrl}/one-${minePack}.pack`, `${other} ${otherPack} https://127.0.0.1:1/never.pack`]
    const url = await hosted('uris', { 'uploadpack.allowSidebandAll': true, 'uploadpack.blobPackfileUri': uris })
    const clone = target()
    await git.run(['-c', 'fetch.uriprotocols=http', 'clone', '-q', url, clone], { env: { GIT_TEST_SIDEBAND_ALL: '1' } })
    assert.ok(asked.includes(`/one-${minePack}.pack`))
    await git.run(['fsck', '--strict'], { cwd: clone })
    assert.equal(readFileSync(join(clone, 'my-blob'), 'utf8'), 'my blob\n')
    // a client that takes no such protocol gets it all
    const plain = target()
    await git.run(['clone', '-q', url, plain])
    await git.run(['fsck', '--strict'], { cwd: plain })
  })

  it('stand in a section of their own, for what is sent and by protocols that the client takes', async () => {
    const [mine, tip] = [await id('main:my-blob'), await id('main')]
    const url = await hosted('uris-by-hand', {
      'uploadpack.allowSidebandAll': true,
      'uploadpack.blobPackfileUri': [`${mine} ${'1'.repeat(40)} https://example.org/a b.pack`],
    })
    const fetched = async (...args: string[]) => sectionsOf(await command(url, 'fetch', ['sideband-all', ...args, 'done']), true)
    const both = await fetched(`want ${tip}`, 'packfile-uris http,https')
    assert.deepEqual(both.sections.get('packfile-uris'), [`${'1'.repeat(40)} https://example.org/a b.pack`])
    const count = both.pack.readUInt32BE(8)
    const none = await fetched(`want ${tip}`, 'packfile-uris http')
    assert.ok(!none.sections.has('packfile-uris'))
    assert.equal(none.pack.readUInt32BE(8), count + 1)
    const older = await fetched(`want ${await id('main~1')}`, 'packfile-uris https')
    assert.ok(!older.sections.has('packfile-uris'))
    // a second client must not get the first one's pack out of the cache
    assert.equal((await fetched(`want ${tip}`)).pack.readUInt32BE(8), count + 1)
    const twice = await command(url, 'fetch', ['sideband-all', 'packfile-uris http', 'packfile-uris https'])
    assert.deepEqual(sectionsOf(twice, true).sections.get('error'), ['multiple packfile-uris lines forbidden'])
  })
})

describe('promisor-remote', stemmaOnly, () => {
  it('tells of the remotes that are set, with the fields that are to be sent', async () => {
    const remotes = {
      'promisor.advertise': true,
      'remote.lop.promisor': true,
      'remote.lop.url': 'https://example.org/big files,1;2%',
      'remote.lop.partialCloneFilter': 'blob:limit=5k',
      'remote.lop.token': 'hush',
      'remote.plain.url': 'https://example.org/plain',
      'remote.void.promisor': true,
    }
    const url = await hosted('promisors', remotes)
    const line = async () => (await capabilities(url)).find((text) => text.startsWith('promisor-remote'))
    assert.equal(await line(), 'promisor-remote=name=lop,url=https://example.org/big%20files%2c1%3b2%25')
    await host.configure('promisors', { 'promisor.sendFields': 'partialCloneFilter, token' })
    assert.equal(
      await line(),
      'promisor-remote=name=lop,url=https://example.org/big%20files%2c1%3b2%25,partialCloneFilter=blob:limit=5k,token=hush',
    )
    const accepted = await command(url, 'ls-refs', ['ref-prefix HEAD'], { keys: ['promisor-remote=lop;another'] })
    assert.deepEqual(textOf(accepted), [`${await id('main')} HEAD`, '0000'])
    await host.configure('promisors', { 'promisor.advertise': false })
    assert.equal(await line(), undefined)
    await git.run(['clone', '-q', url, target()])
  })
})
