// Layers that somebody made to do harm, one trick a test, through the whole server: pushed, pulled byte for byte, opened by the store (or left as they are), pulled again as they
// are made anew, and asked about by the API. Nothing is ever unpacked to a disk; what a layer says leads nowhere but into its own image.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { Digest } from '../../src/store/index.ts'
import { makeAccount, type TestAccount } from '../support/accounts.ts'
import { openFaces, type TestFaces } from '../support/faces.ts'
import { ImagePush, mediaTypes } from '../support/image-push.ts'
import { paxMember, sampleText, tarMember, tarOf } from '../support/tar.ts'

let faces: TestFaces
let url: string
let olive: TestAccount
before(async () => {
  // no whole copy stays beside an opened form: pulls make the bytes again
  faces = await openFaces({ isWhole: true, environment: { STEMMA_CONTENT_HOT_BYTES: '0' } })
  url = await faces.listener.listen({ host: '127.0.0.1', port: 0 })
  olive = await makeAccount(faces.db, 'olive')
})
after(async () => await faces?.close())

/** Large enough to be stored whole, and to pay when it is opened. */
const filler = tarMember({ name: 'filler', body: sampleText(3, 300_000) })
const hello = Buffer.from('hello')

async function ask(path: string) {
  const answer = await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${olive.token}` } })
  const bytes = Buffer.from(await answer.arrayBuffer())
  const isJson = /json/.test(answer.headers.get('content-type') ?? '')
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into whatever came
  return { status: answer.status, bytes, body: (isJson ? JSON.parse(bytes.toString()) : null) as any }
}

/** What the API says of an image with that layer. */
interface Shown {
  /** Types and paths, in order; the status where the layer can't be read. */
  readonly files: readonly string[] | number
  /** A file's bytes as text; the status where there are none. */
  file(path: string): Promise<string | number>
}

let count = 0
/** Pushes it as the only layer of an image, opens it, and looks at it. */
async function seen(tar: Uint8Array, { isOpened = true } = {}): Promise<Shown> {
  const layer = gzipSync(tar)
  const tag = `t${count++}`
  const { layers } = await new ImagePush(url, olive.token, 'olive/hostile').image([{ bytes: layer, mediaType: mediaTypes.gzip }], { tag })
  const digest = layers[0]?.digest ?? ''
  const assertSame = async (when: string) => {
    const pulled = await ask(`/v2/olive/hostile/blobs/${digest}`)
    assert.ok(pulled.status === 200 && pulled.bytes.equals(layer), `${when} it is pulled as it was pushed`)
  }
  await assertSame('at first')
  await faces.store.openSoon(digest.slice('sha256:'.length) as Digest)
  await faces.store.openDue()
  await faces.store.tend()
  const { rows } = await faces.db.queries
    .selectFrom('content_opened')
    .select('engine')
    .where('digest', '=', Buffer.from(digest.slice('sha256:'.length), 'hex'))
    .execute()
    .then((found) => ({ rows: found }))
  assert.equal(rows.length === 1, isOpened, isOpened ? 'it was opened' : 'it stays as it came')
  await assertSame('made again,')
  const image = '/api/v3/images/olive/hostile'
  const listed = await ask(`${image}/layers/${digest}/files?per_page=1000`)
  return {
    files:
      listed.status === 200 ? listed.body.files.map(({ type, path }: { type: string; path: string }) => `${type} ${path}`) : listed.status,
    file: async (path) => {
      const answer = await ask(`${image}/manifests/${tag}/file?path=${encodeURIComponent(path)}`)
      return answer.status === 200 ? answer.bytes.toString() : answer.status
    },
  }
}

test('sparse files, PAX’s and GNU’s: listed, and without bytes, for what is stored of them is not what they are', async () => {
  const map = (block: Buffer) => {
    block[482] = 1 // the map goes on
    block.write('00003641100\0', 483)
  }
  const gnu = Buffer.concat([
    tarMember({ name: 'gnu', type: 'S', size: 512, magic: 'ustar  \0', patch: map }),
    Buffer.alloc(504),
    Buffer.from([1]),
    Buffer.alloc(7 + 512),
    Buffer.alloc(512, 'b'),
  ])
  const pax = { 'GNU.sparse.major': '1', 'GNU.sparse.name': 'pax', 'GNU.sparse.realsize': String(2 ** 52) }
  const tar = tarOf(
    filler,
    paxMember(pax),
    tarMember({ name: 'x', body: Buffer.from('1\n0\n3\nabc') }),
    gnu,
    tarMember({ name: 'z', body: hello }),
  )
  const { files, file } = await seen(tar)
  assert.deepEqual(files, ['file filler', 'file gnu', 'file pax', 'file z'])
  assert.deepEqual([await file('gnu'), await file('pax'), await file('x'), await file('z')], [422, 422, 404, 'hello'])
})

test('PAX oddities: a size that only PAX says, names that it says, global headers, records that lie', async () => {
  const tar = tarOf(
    filler,
    paxMember({ comment: 'for all', path: 'not/for/all', size: '99' }, 'g'),
    paxMember({ path: 'übung/π', size: '5', mtime: '1e999', uid: '-1', 'SCHILY.xattr.security.capability': '\u0001' }),
    tarMember({ name: 'cut', size: 0, body: hello }),
    paxMember({ path: '' }), // taken back: the header's counts
    tarMember({ name: 'own', body: hello }),
    // a length beyond its end: from here on there are no members
    tarMember({ type: 'x', body: Buffer.from('99 path=short\n') }),
    tarMember({ name: 'behind', body: hello }),
  )
  const { files, file } = await seen(tar)
  assert.ok(Array.isArray(files) && files.includes('file übung/π'), JSON.stringify(files))
  assert.ok(!files.some((line: string) => /for\/all|behind|cut/.test(line)), JSON.stringify(files))
  assert.deepEqual([await file('übung/π'), await file('own'), await file('behind')], ['hello', 'hello', 404])
})

test('hard links out of the root, to themselves, in a circle and to nothing: bytes of this image, or none', async () => {
  const link = (name: string, to: string) => tarMember({ name, type: '1', link: to, size: 512 })
  const { file } = await seen(
    tarOf(
      filler,
      tarMember({ name: 'etc/passwd', body: hello }),
      link('out', '../../../../etc/passwd'),
      link('abs', '/etc/passwd'),
      link('proc', '/proc/self/environ'),
      link('self', 'self'),
      link('one', 'two'),
      link('two', 'one'),
    ),
  )
  assert.deepEqual([await file('out'), await file('abs')], ['hello', 'hello'])
  for (const path of ['proc', 'self', 'one', 'two']) assert.ok([404, 422].includes((await file(path)) as number), path)
})

test('duplicate entries: the last one counts, also of a file that becomes a folder and a link', async () => {
  const { files, file } = await seen(
    tarOf(
      filler,
      tarMember({ name: 'twice', body: Buffer.from('first') }),
      tarMember({ name: './twice', body: Buffer.from('second') }),
      tarMember({ name: 'turns', body: hello }),
      tarMember({ name: 'turns/', type: '5' }),
      tarMember({ name: 'turns/inner', body: hello }),
      tarMember({ name: 'linked', body: hello }),
      tarMember({ name: 'linked', type: '2', link: 'twice' }),
    ),
  )
  assert.ok(Array.isArray(files) && files.filter((line: string) => line.endsWith(' twice')).length === 1, JSON.stringify(files))
  assert.deepEqual([await file('twice'), await file('turns/inner'), await file('linked')], ['second', 'hello', 'second'])
})

test('symbolic links: out of the root, in circles, a long chain, through a file: never out of the image', async () => {
  const link = (name: string, to: string) => tarMember({ name, type: '2', link: to })
  const chain = Array.from({ length: 100 }, (_, n) => link(`chain${n}`, `chain${n + 1}`))
  const { file } = await seen(
    tarOf(
      filler,
      tarMember({ name: 'etc/passwd', body: hello }),
      link('up', '../../../../../../etc'),
      link('root', '/'),
      link('loop', 'loop'),
      link('ping', 'pong/x'),
      link('pong', 'ping/x'),
      link('proc', '/proc/self/root/etc/passwd'),
      link('filler-x', 'filler/../etc/passwd'),
      ...chain,
      tarMember({ name: 'chain100', body: hello }),
    ),
  )
  assert.deepEqual([await file('up/passwd'), await file('root/root/root/etc/passwd'), await file('chain95')], ['hello', 'hello', 'hello'])
  for (const path of ['loop', 'ping', 'ping/y', 'proc', 'chain0', 'filler/passwd', '../etc/passwd/x'])
    assert.equal(await file(path), 404, path)
})

test('path tricks: climbing, absolute, doubled, with backslashes and newlines, of other systems, whiteouts of everything', async () => {
  const names = [
    '../../../etc/shadow',
    '/root/abs',
    'a//b/./c',
    'a/../../up',
    'back\\..\\slash',
    'new\nline',
    'C:\\x',
    'con',
    '__proto__',
    'constructor/x',
    '%2e%2e/y',
  ]
  const whiteouts = ['.wh...', '.wh..', '.wh.', 'sub/.wh..wh..opq', '.wh..wh.plnk/x', '../.wh.etc']
  const { files, file } = await seen(
    tarOf(
      filler,
      ...names.map((name) => tarMember({ name, body: hello })),
      ...whiteouts.map((name) => tarMember({ name })),
      tarMember({ name: '..', type: '5' }),
      tarMember({ name: '/', type: '5' }),
      tarMember({ name: './', body: hello }),
    ),
  )
  assert.ok(Array.isArray(files))
  for (const line of files as string[]) assert.doesNotMatch(line, /(^| |\/)\.\.?(\/|$)| \/|\/\//, 'every name stands below the root')
  for (const path of [
    'etc/shadow',
    'root/abs',
    'a/b/c',
    'up',
    'back\\..\\slash',
    'new\nline',
    'C:\\x',
    'con',
    '__proto__',
    'constructor/x',
    '%2e%2e/y',
  ])
    assert.equal(await file(path), 'hello', path)
  assert.equal(await file('..'), 422, 'the root is no file')
})

test('a gzip bomb: kept as it came, given as it came, and not looked into', async () => {
  const { files, file } = await seen(tarOf(filler, tarMember({ name: 'zeros', body: Buffer.alloc(100 << 20) })), { isOpened: false })
  assert.deepEqual([files, await file('zeros')], [422, 422])
})

test('tar bombs: a member of exabytes, a header of many MiB, names without end', async () => {
  const exabytes = tarMember({ name: 'huge', size: 2 ** 62, isBinary: true })
  const cases: Readonly<Record<string, Buffer>> = {
    'of exabytes': Buffer.concat([filler, exabytes, hello]),
    'a header of 3 MiB': tarOf(filler, paxMember({ comment: 'x'.repeat(3 << 20) }), tarMember({ name: 'behind', body: hello })),
    'a name of 200,000 characters': tarOf(filler, paxMember({ path: 'n/'.repeat(100_000) }), tarMember({ body: hello })),
  }
  for (const [what, tar] of Object.entries(cases)) {
    const layer = gzipSync(tar)
    const hostile = new ImagePush(url, olive.token, 'olive/hostile')
    const { layers } = await hostile.image([{ bytes: layer, mediaType: mediaTypes.gzip }], { tag: `bomb${count++}` })
    const digest = layers[0]?.digest ?? ''
    await faces.store.openSoon(digest.slice('sha256:'.length) as Digest)
    await faces.store.openDue()
    await faces.store.tend()
    assert.ok((await ask(`/v2/olive/hostile/blobs/${digest}`)).bytes.equals(layer), what)
    const { status, body } = await ask(`/api/v3/images/olive/hostile/layers/${digest}/files?per_page=1000`)
    assert.ok(status === 422 || (status === 200 && body.files.length <= 2), `${what}: ${status} ${JSON.stringify(body).slice(0, 200)}`)
  }
})
