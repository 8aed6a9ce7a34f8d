// Archives of a served repository: downloads with curl and system tools, and `git archive --remote`, spoken by hand and by git where it is new
// enough. What comes out is what `git archive` makes of the same commit.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { type Host, openHost, stemmaOnly } from '../support/host.ts'
import { octokitOf } from '../support/octokit.ts'
import type { Git } from '../support/git.ts'
import { flush, pkt, readPkts, send, type WireAnswer } from '../support/wire.ts'

let host: Host
let git: Git
let work: string
let url: string
let tip: string

before(async () => {
  host = await openHost('archives')
  git = host.git
  work = await git.makeRepository(host.folder.join('work'), 5)
  await git.commit(work, {
    '.gitattributes': 'v.txt export-subst\nsecret export-ignore\n',
    'v.txt': '$Format:%H %D %(describe)$',
    secret: 's',
  })
  await git.run(['tag', '-a', '-m', 'one', 'v1.0'], { cwd: work })
  await git.run(['branch', 'feature/x'], { cwd: work })
  url = await host.create('archived')
  await git.run(['push', '-q', '--all', url], { cwd: work })
  await git.run(['push', '-q', '--tags', url], { cwd: work })
  tip = await git.read(['rev-parse', 'main'], { cwd: work })
})
after(async () => await host?.close())

/** What git itself makes of it, in a repository whose refs are the server's. */
const local = (...args: string[]) => execFileSync('git', ['-C', work, 'archive', ...args], { maxBuffer: 1 << 28 })
const path = (file: string, repository = 'admin/archived') => `/${repository}/archive/${file}`
const list = (tar: Buffer) => execFileSync('tar', ['-tf', '-'], { input: tar }).toString().split('\n')

describe('downloads', stemmaOnly, () => {
  it('of a branch, a tag, a commit, in every format, with the name that others give them', async () => {
    const cases: [file: string, folder: string, name: string][] = [
      ['main.tar.gz', 'archived-main', 'main'],
      ['refs/heads/main.tgz', 'archived-main', 'main'],
      ['feature/x.tar.gz', 'archived-feature-x', 'feature/x'],
      ['refs%2Fheads%2Ffeature%2Fx.tar', 'archived-feature-x', 'feature/x'],
      ['v1.0.tar', 'archived-1.0', 'v1.0'],
      ['refs/tags/v1.0.zip', 'archived-1.0', 'v1.0'],
      [`${tip}.tar`, `archived-${tip}`, tip],
      [`${tip.slice(0, 10)}.tar.gz`, `archived-${tip.slice(0, 10)}`, tip],
      ['HEAD.zip', 'archived-HEAD', 'HEAD'],
    ]
    for (const repository of ['admin/archived', 'admin/archived.git']) {
      for (const [file, folder, name] of cases) {
        const answer = await send(host.server.url, path(file, repository))
        assert.equal(answer.status, 200, file)
        const disposition = answer.headers['content-disposition'] ?? ''
        assert.ok(disposition.startsWith(`attachment; filename="${folder}.`), disposition)
        if (file.endsWith('.zip')) {
          writeFileSync(host.folder.join('a.zip'), answer.body)
          const names = execFileSync('unzip', ['-Z1', host.folder.join('a.zip')])
            .toString()
            .split('\n')
          assert.deepEqual(names, list(local(`--prefix=${folder}/`, name)))
          continue
        }
        const tar = file.endsWith('.tar') ? answer.body : gunzipSync(answer.body)
        assert.ok(tar.equals(local(`--prefix=${folder}/`, name)), file)
      }
    }
  })

  it('say by their ETag what they are, and don’t send it again', async () => {
    const whole = await send(host.server.url, path('main.tar.gz'))
    const etag = String(whole.headers.etag)
    assert.ok(etag.includes(tip))
    for (const known of [etag, `"x", ${etag}`, '*', etag.slice(2)]) {
      const again = await send(host.server.url, path('main.tar.gz'), { headers: { 'if-none-match': known } })
      assert.deepEqual([again.status, again.body.length, again.headers.etag], [304, 0, etag])
    }
    const other = await send(host.server.url, path('main.zip'), { headers: { 'if-none-match': etag } })
    assert.equal(other.status, 200)
    const head = await send(host.server.url, path('main.tar.gz'), { method: 'HEAD' })
    assert.deepEqual([head.status, head.body.length, head.headers.etag], [200, 0, etag])
    assert.equal(head.headers['content-type'], 'application/gzip')
  })

  it('of what is not there are 404, in text', async () => {
    const files = [
      'nothing.tar.gz',
      'main.rar',
      'main',
      `${'e'.repeat(40)}.zip`,
      'eeeeeee.tar',
      'main~1.tar',
      'main:folder.tar',
      '.tar',
      'v1.0^{tree}.zip',
    ]
    for (const file of files) {
      const answer = await send(host.server.url, path(encodeURI(file)))
      assert.deepEqual([answer.status, answer.body.toString()], [404, 'Not Found\n'], file)
    }
  })

  it('of a private repository need its token, and hidden refs are not there', async () => {
    const secret = await host.server.create('secret', { private: true })
    await git.run(['push', '-q', secret, 'main', 'main~1:refs/hidden/x', 'feature/x'], { cwd: work })
    const hidden = await git.read(['commit-tree', '-m', 'hidden', 'main^{tree}'], { cwd: work })
    await git.run(['push', '-q', secret, `${hidden}:refs/hidden/y`], { cwd: work })
    const file = path('main.tar', 'admin/secret')
    assert.equal((await send(host.server.url, file)).status, 401)
    assert.equal((await send(secret, file)).status, 200)
    assert.match(String((await send(secret, file)).headers['cache-control']), /private/)
    const oid = path(`${hidden}.tar`, 'admin/secret')
    assert.equal((await send(secret, oid)).status, 200)
    await host.configure('secret', { 'transfer.hideRefs': ['refs/hidden'] })
    assert.equal((await send(secret, oid)).status, 404)
    assert.equal((await send(secret, path(`${hidden.slice(0, 8)}.tar`, 'admin/secret'))).status, 404)
    assert.equal((await send(secret, path('refs/hidden/y.tar', 'admin/secret'))).status, 404)
  })

  it('of a large repository come as a stream: what is not read is not made', async () => {
    const large = host.folder.join('large')
    await git.run(['init', '-q', large])
    const noise = (seed: number) => new Uint8Array(3 << 20).map((_, i) => (i * seed * 2654435761) >>> 13)
    await git.commit(large, Object.fromEntries(Array.from({ length: 24 }, (_, i) => [`f${i}`, noise(i + 1)])))
    const to = await host.server.create('large')
    await git.run(['push', '-q', to, 'main'], { cwd: large })
    await send(to, path('main.tar', 'admin/large'), { method: 'HEAD' })
    const before = host.server.memory().residentBytes
    const abandoned = await fetch(`${host.server.url}${path('main.tar', 'admin/large')}`)
    const reader = abandoned.body?.getReader()
    await reader?.read()
    await new Promise((resolve) => setTimeout(resolve, 500))
    const grown = host.server.memory().residentBytes - before
    assert.ok(grown < 64 << 20, `${grown} bytes more for a reader who has taken one piece of 72 MiB`)
    await reader?.cancel()
    assert.ok(
      (await send(to, path('main.tar', 'admin/large'))).body.equals(
        execFileSync('git', ['-C', large, 'archive', '--prefix=large-main/', 'main'], { maxBuffer: 1 << 28 }),
      ),
    )
  })
})

describe('the API', stemmaOnly, () => {
  it('leads to downloads, for Octokit as for curl', async () => {
    const octokit = octokitOf(host.server.url, host.server.token)
    const repository = { owner: 'admin', repo: 'archived' }
    const tarball = await octokit.rest.repos.downloadTarballArchive({ ...repository, ref: 'v1.0' })
    assert.ok(gunzipSync(Buffer.from(tarball.data as ArrayBuffer)).equals(local('--prefix=archived-1.0/', 'v1.0')))
    const zipball = await octokit.rest.repos.downloadZipballArchive({ ...repository, ref: 'feature/x' })
    writeFileSync(host.folder.join('api.zip'), Buffer.from(zipball.data as ArrayBuffer))
    execFileSync('unzip', ['-tq', host.folder.join('api.zip')])
    const cases = {
      tarball: 'refs/heads/main.tar.gz',
      zipball: 'refs/heads/main.zip',
      'tarball/feature/x': 'feature/x.tar.gz',
      [`zipball/${tip}`]: `${tip}.zip`,
    }
    for (const [from, to] of Object.entries(cases)) {
      const answer = await send(host.server.url, `/api/v3/repos/admin/archived/${from}`)
      assert.deepEqual([answer.status, answer.headers.location], [302, `${host.server.url}/admin/archived/archive/${to}`])
    }
    const missing = await host.server.api('GET', '/api/v3/repos/admin/archived/tarball/nothing')
    assert.deepEqual([missing.status, missing.body.message], [404, 'Not Found'])
    const empty = await host.server.create('empty')
    assert.ok(empty)
    assert.equal((await host.server.api('GET', '/api/v3/repos/admin/empty/zipball')).status, 404)
  })
})

interface Archived {
  readonly data: Buffer
  readonly text: string
  readonly error: string
  readonly isWhole: boolean
}

/** What a client of git-upload-archive would see. */
async function uploadArchive(args: readonly string[], to = url): Promise<Archived & { status: number }> {
  const body = Buffer.concat([...args.map((arg) => pkt(`argument ${arg}\n`)), flush])
  const answer = await post(body, to)
  if (answer.status !== 200) return { status: answer.status, data: answer.body, text: '', error: '', isWhole: false }
  const [ack, first, ...bands] = readPkts(answer.body)
  assert.deepEqual([String(ack), first], ['ACK\n', '0000'])
  const band = (wanted: number) =>
    Buffer.concat(bands.flatMap((line) => (typeof line !== 'string' && line[0] === wanted ? [line.subarray(1)] : [])))
  return { status: 200, data: band(1), text: band(2).toString(), error: band(3).toString(), isWhole: bands.at(-1) === '0000' }
}

const post = (body: Uint8Array, to = url, type = 'application/x-git-upload-archive-request'): Promise<WireAnswer> =>
  send(to, `${new URL(to).pathname}/git-upload-archive`, { method: 'POST', headers: { 'content-type': type }, body })

describe('git-upload-archive', stemmaOnly, () => {
  it('sends what git archive would', async () => {
    const cases = [
      ['main'],
      ['--prefix=p/', 'main'],
      ['--prefix', 'p/', 'main', 'folder'],
      ['v1.0', '*.txt'],
      ['main', ':(exclude)folder', '.'],
      ['HEAD:folder'],
      ['--format=tar', 'refs/heads/feature/x'],
      ['--form=tar', '--', 'main', 'v.txt'],
    ]
    for (const args of cases) {
      const { data, error, isWhole, text } = await uploadArchive(args)
      assert.deepEqual([error, text, isWhole], ['', '', true], args.join(' '))
      if (args[0]?.includes(':folder')) assert.deepEqual(list(data), list(local(...args)))
      else assert.ok(data.equals(local(...args)), args.join(' '))
    }
    assert.ok(gunzipSync((await uploadArchive(['--format=tgz', '-9', 'main'])).data).equals(local('main')))
    writeFileSync(host.folder.join('remote.zip'), (await uploadArchive(['--format=zip', '-0', 'main'])).data)
    execFileSync('unzip', ['-tq', host.folder.join('remote.zip')])
  })

  it('lists formats, and paths as they go', async () => {
    assert.equal((await uploadArchive(['--list'])).data.toString(), 'tar\ntgz\ntar.gz\nzip\n')
    const { text } = await uploadArchive(['-v', '--prefix=p/', 'main'])
    const told = execFileSync('sh', ['-c', `git -C ${work} archive -v --prefix=p/ main 2>&1 >/dev/null`]).toString()
    assert.equal(text, told)
  })

  it('refuses in git’s words, behind an ACK', async () => {
    const cases: [args: string[], words: RegExp][] = [
      [['nothing'], /^fatal: no such ref: nothing\n$/],
      [[tip], new RegExp(`^fatal: no such ref: ${tip}\n$`)],
      [['main~1'], /^fatal: no such ref: main~1\n$/],
      [['main:nothing'], /^fatal: not a valid object name: main:nothing\n$/],
      [['main', 'nothing'], /^fatal: pathspec 'nothing' did not match any files\n$/],
      [['--format=rar', 'main'], /^fatal: Unknown archive format 'rar'\n$/],
      [['-9', 'main'], /^fatal: Argument not supported for format 'tar': -9\n$/],
      [['--output=/tmp/x', 'main'], /^fatal: Unexpected option --output\n$/],
      [['--remote=x', 'main'], /^fatal: Unexpected option --remote\n$/],
      [['--exec=x', 'main'], /^fatal: the option '--exec' requires '--remote'\n$/],
      [['--add-file=/etc/passwd', 'main'], /cannot be used together\n$/],
      [['--add-virtual-file=a:b', 'main'], /cannot be used together\n$/],
      [['--list', 'main'], /^fatal: extra command line parameter 'main'\n$/],
      [['--nonsense', 'main'], /^error: unknown option `nonsense'\nusage: /],
      [['-x', 'main'], /^error: unknown switch `x'\nusage: /],
      [['--format'], /^error: option `format' requires a value\n$/],
      [[], /^usage: git archive /],
      [Array.from({ length: 65 }, () => 'x'), /^fatal: Too many options \(>63\)\n$/],
    ]
    for (const [args, words] of cases) {
      const { data, error, isWhole, text } = await uploadArchive(args)
      assert.match(text, words, args.join(' '))
      assert.deepEqual([error, data.length, isWhole], ['git upload-archive: archiver died with error', 0, false])
    }
    const [, , band] = readPkts((await post(Buffer.concat([pkt('nonsense\n'), flush]))).body)
    assert.match(String(band), /'argument' token or flush expected/)
  })

  it('takes ids where the repository allows it, of what its refs reach', async () => {
    const to = await host.server.create('by-id')
    await git.run(['push', '-q', to, 'main'], { cwd: work })
    const settings = { 'uploadarchive.allowUnreachable': ['true'] }
    await host.configure('by-id', settings)
    for (const name of [tip, 'main~2', `${tip.slice(0, 12)}^{tree}`, 'main^{commit}:folder']) {
      const { data, text } = await uploadArchive([name], to)
      assert.equal(text, '', name)
      assert.deepEqual(list(data), list(local(name)))
    }
    assert.match((await uploadArchive(['e'.repeat(40)], to)).text, /^fatal: not a valid object name: e{40}\n$/)
  })

  it('takes tar.umask from the repository, as numbers in C are written', async () => {
    const to = await host.server.create('umask')
    await git.run(['push', '-q', to, 'main'], { cwd: work })
    for (const umask of ['0022', '18', 'user']) {
      await host.configure('umask', { 'tar.umask': [umask] })
      const { data } = await uploadArchive(['main', 'folder'], to)
      assert.ok(data.equals(execFileSync('git', ['-C', work, '-c', 'tar.umask=0022', 'archive', 'main', 'folder'])), umask)
    }
  })

  it('can be switched off, and wants its own content type', async () => {
    const to = await host.server.create('no-archives')
    await git.run(['push', '-q', to, 'main'], { cwd: work })
    assert.equal((await uploadArchive(['main'], to)).status, 200)
    await host.configure('no-archives', { 'http.uploadarchive': ['false'] })
    assert.equal((await uploadArchive(['main'], to)).status, 403)
    assert.equal((await post(flush, url, 'text/plain')).status, 415)
    assert.equal((await post(Buffer.from('00zz'))).status, 400)
  })

  const program = process.env.STEMMA_TEST_NEW_GIT ?? 'git'
  const version = execFileSync(program, ['--version']).toString()
  const [, major, minor] = /(\d+)\.(\d+)/.exec(version) ?? []
  const isNew = Number(major) > 2 || Number(minor) >= 44
  it('serves git itself', isNew ? {} : { skip: `${version.trim()} can't ask over HTTP (2.44 can)` }, async () => {
    const out = host.folder.join('out')
    mkdirSync(out)
    const remote = (...args: string[]) =>
      execFileSync(program, ['archive', `--remote=${url}`, ...args], {
        maxBuffer: 1 << 28,
        env: { ...process.env, HOME: out, LC_ALL: 'C' },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
    assert.ok(remote('main').equals(local('main')))
    assert.ok(remote('--prefix=p/', 'v1.0', 'folder').equals(local('--prefix=p/', 'v1.0', 'folder')))
    assert.equal(remote('--list').toString(), 'tar\ntgz\ntar.gz\nzip\n')
    remote(`--output=${out}/a.zip`, 'main')
    assert.ok(existsSync(`${out}/a.zip`))
    execFileSync('unzip', ['-tq', `${out}/a.zip`])
    assert.throws(() => remote('nothing'), /fatal: no such ref: nothing/)
  })
})
