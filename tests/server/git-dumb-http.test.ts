// The dumb protocol: git clients that were told to be dumb, and what a web server would answer to each URL. Only what visible refs reach is there.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { inflateSync } from 'node:zlib'
import { contentOf, type Git } from '../support/git.ts'
import { type Host, openHost, stemmaOnly } from '../support/host.ts'
import { Server } from '../support/server.ts'
import { send, type WireAnswer } from '../support/wire.ts'

let host: Host
let git: Git
let work: string
let url: string
const dumb = { GIT_SMART_HTTP: '0' }

before(async () => {
  host = await openHost('dumb')
  git = host.git
  work = await git.makeRepository(host.folder.join('work'), 60)
  await git.run(['tag', '-a', '-m', 'one', 'v1'], { cwd: work })
  url = await host.create('dumb')
  await git.run(['push', '-q', url, 'main', 'v1'], { cwd: work })
})
after(async () => await host?.close())

const get = (path: string, to = url, headers: Record<string, string> = {}, method = 'GET'): Promise<WireAnswer> =>
  send(to, `${new URL(to).pathname}/${path}`, { headers, method })
const packNames = async (to = url) =>
  [...(await get('objects/info/packs', to)).body.toString().matchAll(/^P (pack-[0-9a-f]+)\.pack$/gm)].map((match) => match[1] as string)
const loose = (oid: string) => `objects/${oid.slice(0, 2)}/${oid.slice(2)}`

describe('dumb clients', stemmaOnly, () => {
  it('clone, and fetch what came after', async () => {
    const copy = host.folder.join('copy.git')
    const trace = await git.run(['clone', '-q', '--mirror', url, copy], { env: { ...dumb, GIT_CURL_VERBOSE: '1' } })
    assert.deepEqual(await contentOf(git, copy), await contentOf(git, work))
    assert.ok(/objects\/pack\/pack-/.test(trace.stderr) && !/git-upload-pack HTTP/.test(trace.stderr))
    await git.run(['fsck', '--strict'], { cwd: copy })
    assert.equal(await git.read(['symbolic-ref', 'HEAD'], { cwd: copy }), 'refs/heads/main')
    for (let i = 0; i < 3; i++) {
      await git.commit(work, { [`later-${i}`]: `later ${i}\n` }, `later ${i}`)
      await git.run(['push', '-q', url, 'main'], { cwd: work })
      await git.run(['fetch', '-q'], { cwd: copy, env: dumb })
    }
    assert.deepEqual(await contentOf(git, copy), await contentOf(git, work))
  })

  it('clone a repository with SHA-256, and an empty one', async () => {
    const source = await git.makeRepository(host.folder.join('sha256'), 50, ['--object-format=sha256'])
    const to = await host.create('sha256', 'sha256')
    await git.run(['push', '-q', to, 'main'], { cwd: source })
    const copy = host.folder.join('sha256.git')
    await git.run(['clone', '-q', '--mirror', to, copy], { env: dumb })
    assert.deepEqual(await contentOf(git, copy), await contentOf(git, source))
    const empty = await host.create('nothing')
    await git.run(['clone', '-q', empty, host.folder.join('nothing')], { env: dumb })
    assert.deepEqual([(await get('info/refs', empty)).body.length, (await get('HEAD', empty)).body.length], [0, 0])
  })

  it('need the token of a private repository', async () => {
    const to = await host.server.create('private', { private: true })
    await git.run(['push', '-q', to, 'main'], { cwd: work })
    await git.run(['clone', '-q', '--mirror', to, host.folder.join('private.git')], { env: dumb })
    const bare = host.server.repositoryUrl('private', '')
    for (const path of ['HEAD', 'info/refs', 'objects/info/packs', loose('ab'.repeat(20))])
      assert.equal((await get(path, bare)).status, 401, path)
    const tip = await git.read(['rev-parse', 'main'], { cwd: work })
    const kept = [...(await packNames(to)).map((name) => `objects/pack/${name}.pack`), loose(tip)]
    for (const path of kept) assert.doesNotMatch(String((await get(path, to)).headers['cache-control']), /public/)
  })

  it('get what a forced push and a hidden ref leave, and nothing else', async () => {
    const from = await git.makeRepository(host.folder.join('forced'), 60)
    const to = await host.server.create('forced')
    const secret = await git.commit(from, { 'secret.txt': 'secret\n' }, 'a secret')
    await git.run(['push', '-q', to, 'main'], { cwd: from })
    assert.equal((await packNames(to)).length, 1)
    assert.equal((await get(loose(secret), to)).status, 404) // it is in the listed pack
    await git.run(['push', '-qf', to, 'main~1:main'], { cwd: from })
    await git.run(['reset', '-q', '--hard', 'main~1'], { cwd: from })
    assert.deepEqual(await packNames(to), [])
    const copy = host.folder.join('forced.git')
    await git.run(['clone', '-q', '--mirror', to, copy], { env: dumb })
    assert.deepEqual(await contentOf(git, copy), await contentOf(git, from))
    const tree = await git.read(['rev-parse', `${secret}^{tree}`], { cwd: from })
    const blob = await git.read(['rev-parse', `${secret}:secret.txt`], { cwd: from })
    for (const oid of [secret, tree, blob, 'e'.repeat(40)]) assert.equal((await get(loose(oid), to)).status, 404, oid)
    await git.run(['push', '-q', to, `${secret}:refs/hidden/secret`], { cwd: from })
    for (const oid of [secret, tree, blob]) assert.ok((await get(loose(oid), to)).status === 200 || (await packNames(to)).length === 1)
    await host.configure('forced', { 'transfer.hideRefs': ['refs/hidden'] })
    for (const oid of [secret, tree, blob]) assert.equal((await get(loose(oid), to)).status, 404, oid)
    assert.deepEqual(await packNames(to), [])
    assert.doesNotMatch((await get('info/refs', to)).body.toString(), /hidden/)
  })
})

describe('files', stemmaOnly, () => {
  it('info/refs and HEAD are what git update-server-info would write', async () => {
    const refs = await get('info/refs')
    assert.equal(refs.body.toString(), await git.read(['show-ref', '-d'], { cwd: work }).then((text) => `${text.replaceAll(' ', '\t')}\n`))
    assert.equal((await get('HEAD')).body.toString(), 'ref: refs/heads/main\n')
    for (const path of ['info/refs', 'HEAD', 'objects/info/packs']) {
      const { headers } = await get(path)
      assert.match(String(headers['content-type']), /^text\/plain/)
      assert.deepEqual(
        [headers['cache-control'], headers.pragma, headers.expires],
        ['no-cache, max-age=0, must-revalidate', 'no-cache', 'Fri, 01 Jan 1980 00:00:00 GMT'],
      )
    }
    assert.match((await get('objects/info/packs')).body.toString(), /^(P pack-[0-9a-f]{40}\.pack\n)+\n$/)
    for (const path of ['objects/info/alternates', 'objects/info/http-alternates'])
      assert.deepEqual([(await get(path)).status, (await get(path)).body.length], [200, 0])
  })

  it('packs and indexes are good for git, whole and in ranges', async () => {
    const folder = host.folder.join('packs')
    mkdirSync(folder)
    const [name] = await packNames()
    assert.ok(name)
    const pack = await get(`objects/pack/${name}.pack`)
    const idx = await get(`objects/pack/${name}.idx`)
    assert.deepEqual(
      [pack.headers['content-type'], idx.headers['content-type']],
      ['application/x-git-packed-objects', 'application/x-git-packed-objects-toc'],
    )
    assert.equal(pack.headers['cache-control'], 'public, max-age=31536000')
    writeFileSync(`${folder}/${name}.pack`, pack.body)
    writeFileSync(`${folder}/${name}.idx`, idx.body)
    execFileSync('git', ['verify-pack', `${folder}/${name}.idx`])
    const own = execFileSync('git', ['index-pack', '-o', `${folder}/own.idx`, `${folder}/${name}.pack`])
      .toString()
      .trim()
    assert.equal(`pack-${own}`, name)
    execFileSync('cmp', [`${folder}/own.idx`, `${folder}/${name}.idx`])
    const size = pack.body.length
    const ranges: [header: string, status: number, from: number, to: number][] = [
      ['bytes=0-9', 206, 0, 10],
      ['bytes=100-', 206, 100, size],
      ['bytes=-20', 206, size - 20, size],
      [`bytes=${size - 1}-${size + 99}`, 206, size - 1, size],
      ['bytes=0-', 200, 0, size],
      ['bytes=1-2,4-5', 200, 0, size],
      ['lines=1-2', 200, 0, size],
    ]
    for (const [range, status, from, to] of ranges) {
      const part = await get(`objects/pack/${name}.pack`, url, { range })
      assert.equal(part.status, status, range)
      assert.ok(part.body.equals(pack.body.subarray(from, to)), range)
      if (status === 206) assert.equal(part.headers['content-range'], `bytes ${from}-${to - 1}/${size}`)
    }
    const beyond = await get(`objects/pack/${name}.pack`, url, { range: `bytes=${size}-` })
    assert.deepEqual([beyond.status, beyond.headers['content-range']], [416, `bytes */${size}`])
    const other = await get(`objects/pack/${name}.pack`, url, { range: 'bytes=5-9', 'if-range': '"another"' })
    assert.equal(other.status, 200)
  })

  it('an object of a small push has a URL of its own, as git would have kept it', async () => {
    const from = await git.makeRepository(host.folder.join('small'), 1)
    const to = await host.create('small')
    // the first push is large: next to it the second is no reason to repack, which would list all of it in one pack while we ask
    await git.commit(from, { 'first.bin': randomBytes(8 << 20) }, 'first')
    await git.run(['push', '-q', to, 'main'], { cwd: from })
    const large = randomBytes(3 << 20)
    const tip = await git.commit(from, { 'small.txt': 'small\n', 'large.bin': large }, 'small')
    await git.run(['push', '-q', to, 'main'], { cwd: from })
    for (const name of [tip, `${tip}^{tree}`, `${tip}:small.txt`, `${tip}:large.bin`]) {
      const oid = await git.read(['rev-parse', name], { cwd: from })
      const answer = await get(loose(oid), to)
      assert.deepEqual([answer.status, answer.headers['content-type']], [200, 'application/x-git-loose-object'], name)
      const type = await git.read(['cat-file', '-t', oid], { cwd: from })
      const bytes = execFileSync('git', ['-C', from, 'cat-file', type, oid], { maxBuffer: 1 << 28 })
      assert.ok(inflateSync(answer.body).equals(Buffer.concat([Buffer.from(`${type} ${bytes.length}\0`), bytes])), name)
      const head = await get(loose(oid), to, {}, 'HEAD')
      assert.deepEqual([head.status, head.body.length], [200, 0])
    }
    await git.run(['clone', '-q', '--mirror', to, host.folder.join('small.git')], { env: dumb })
  })

  it('what is no file of a repository is 404, the methods are as http-backend has them', async () => {
    const paths = [
      'refs/heads/main',
      'config',
      'objects/info/nothing',
      'objects/zz/ff',
      loose('A'.repeat(40)),
      loose('a'.repeat(38)),
      `objects/pack/pack-${'0'.repeat(40)}.pack`,
    ]
    paths.push(`objects/pack/pack-${'0'.repeat(40)}.idx`, 'objects/pack/x.pack', 'objects/pack/', 'objects', 'info', 'packed-refs')
    for (const path of paths) assert.equal((await get(path)).status, 404, path)
    const posted = await get('HEAD', url, {}, 'POST')
    assert.equal(posted.status, 405)
    assert.match(String(posted.headers.allow), /GET, HEAD/)
    for (const path of ['HEAD', 'info/refs', 'objects/info/packs', `objects/pack/${(await packNames())[0]}.pack`]) {
      const head = await get(path, url, {}, 'HEAD')
      assert.deepEqual(
        [head.status, head.body.length, head.headers['content-length']],
        [200, 0, (await get(path)).headers['content-length']],
      )
    }
  })

  it('are 403 where http.getanyfile is off, and smart clients go on', async () => {
    const to = await host.server.create('smart-only')
    await git.run(['push', '-q', to, 'main'], { cwd: work })
    const [name] = await packNames(to)
    const tip = await git.read(['rev-parse', 'main'], { cwd: work })
    await host.configure('smart-only', { 'http.getanyfile': ['false'] })
    const paths = ['HEAD', 'info/refs', 'objects/info/packs', 'objects/info/alternates', 'objects/info/http-alternates', loose(tip)]
    for (const path of [...paths, `objects/pack/${name}.pack`, `objects/pack/${name}.idx`])
      assert.equal((await get(path, to)).status, 403, path)
    assert.notEqual((await git.run(['ls-remote', to], { env: dumb, mayFail: true })).code, 0)
    assert.match(await git.read(['ls-remote', to]), /refs\/heads\/main/)
  })

  it('are 403 everywhere where the server doesn’t want them', async () => {
    const server = await Server.start({ data: host.folder.join('smart-server'), env: { STEMMA_GIT_DUMB_HTTP: 'false' } })
    try {
      const to = await server.create('x')
      await git.run(['push', '-q', to, 'main'], { cwd: work })
      for (const path of ['HEAD', 'info/refs', 'objects/info/packs']) assert.equal((await get(path, to)).status, 403, path)
      assert.match(await git.read(['ls-remote', to]), /refs\/heads\/main/)
    } finally {
      await server.stop()
    }
  })
})
