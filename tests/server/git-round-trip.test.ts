// The real git against the server: what goes in by push comes out by clone and fetch, in every version of the protocol.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { contentOf, type Git } from '../support/git.ts'
import { type Host, openHost, stemmaOnly } from '../support/host.ts'
import { seededBytes } from '../support/random.ts'

let host: Host
let git: Git
let work: string

before(async () => {
  host = await openHost('round-trip')
  git = host.git
  work = await git.makeRepository(host.folder.join('work'), 12)
})
after(async () => await host?.close())

async function assertSame(repository: string, copy: string): Promise<void> {
  assert.deepEqual(await contentOf(git, copy), await contentOf(git, repository))
  await git.run(['fsck', '--strict'], { cwd: copy })
}

describe('round trip', () => {
  it('pushes, clones and fetches what came after', async () => {
    const url = await host.create('plain')
    await git.run(['push', '-q', url, 'main'], { cwd: work })
    const copy = host.folder.join('plain-copy')
    await git.run(['clone', '-q', url, copy])
    assert.equal(await git.read(['rev-parse', 'HEAD'], { cwd: copy }), await git.read(['rev-parse', 'main'], { cwd: work }))
    const other = host.folder.join('plain-other')
    await git.run(['clone', '-q', url, other])
    const tip = await git.commit(other, { 'later.txt': 'later\n' }, 'later')
    await git.run(['push', '-q'], { cwd: other })
    await git.run(['pull', '-q', '--ff-only'], { cwd: copy })
    assert.equal(await git.read(['rev-parse', 'HEAD'], { cwd: copy }), tip)
    await git.run(['fsck', '--strict'], { cwd: copy })
  })

  for (const version of ['0', '1', '2']) {
    it(`works with protocol.version=${version}`, async () => {
      const url = await host.create(`version-${version}`)
      const config = ['-c', `protocol.version=${version}`]
      await git.run([...config, 'push', '-q', url, 'main~3:refs/heads/main'], { cwd: work })
      const copy = host.folder.join(`version-${version}.git`)
      await git.run([...config, 'clone', '-q', '--mirror', url, copy])
      await git.run([...config, 'push', '-q', url, 'main', 'main~1:refs/heads/side'], { cwd: work })
      const fetched = await git.run([...config, 'fetch', '-q'], { cwd: copy, env: { GIT_TRACE_PACKET: '1' } })
      assert.equal(fetched.stderr.includes('version 2'), version === '2')
      assert.equal(await git.read(['rev-parse', 'main'], { cwd: copy }), await git.read(['rev-parse', 'main'], { cwd: work }))
      assert.equal(await git.read(['rev-parse', 'side'], { cwd: copy }), await git.read(['rev-parse', 'main~1'], { cwd: work }))
      await git.run(['fsck', '--strict'], { cwd: copy })
      assert.equal((await git.read([...config, 'ls-remote', url], { cwd: work })).split('\n').length, 3)
    })
  }

  it('mirrors this project with its whole history', async () => {
    const url = await host.create('mirror')
    const mirror = host.folder.join('project.git')
    await git.run(['clone', '-q', '--mirror', import.meta.dirname + '/../..', mirror])
    for (const name of (await git.read(['for-each-ref', '--format=%(refname)'], { cwd: mirror })).split('\n')) {
      if (!/^refs\/(heads|tags)\//.test(name)) await git.run(['update-ref', '-d', name], { cwd: mirror })
    }
    await git.run(['push', '-q', '--mirror', url], { cwd: mirror })
    const copy = host.folder.join('project-copy.git')
    await git.run(['clone', '-q', '--mirror', url, copy])
    await assertSame(mirror, copy)
  })

  it('clones an empty repository and takes its first push from there', async () => {
    const url = await host.create('empty')
    const copy = host.folder.join('empty-copy')
    const cloned = await git.run(['clone', url, copy])
    assert.match(cloned.stderr, /You appear to have cloned an empty repository/)
    const tip = await git.commit(copy, { 'a.txt': 'a\n' })
    await git.run(['push', '-q', '-u', 'origin', 'HEAD'], { cwd: copy })
    assert.equal(await git.read(['ls-remote', url, 'refs/heads/main']), `${tip}\trefs/heads/main`)
  })

  it('keeps a SHA-256 repository', async () => {
    const source = await git.makeRepository(host.folder.join('sha256'), 5, ['--object-format=sha256'])
    await git.run(['tag', '-a', '-m', 'one', 'one'], { cwd: source })
    const url = await host.create('sha256', 'sha256')
    await git.run(['push', '-q', '--mirror', url], { cwd: source })
    const copy = host.folder.join('sha256.git')
    await git.run(['clone', '-q', '--mirror', url, copy])
    assert.equal(await git.read(['rev-parse', '--show-object-format'], { cwd: copy }), 'sha256')
    await assertSame(source, copy)
    const tip = await git.commit(source, { 'more.txt': 'more\n' })
    await git.run(['push', '-q', url, 'main'], { cwd: source })
    await git.run(['fetch', '-q'], { cwd: copy })
    assert.equal(await git.read(['rev-parse', 'main'], { cwd: copy }), tip)
  })

  it('refuses a push of the other object format', async () => {
    const url = await host.create('mixed', 'sha256')
    const pushed = await git.run(['push', url, 'main'], { cwd: work, mayFail: true })
    assert.notEqual(pushed.code, 0)
    assert.match(pushed.stderr, /object format|hash algorithm/)
  })

  it('keeps a 30 MB file that cannot be compressed', async () => {
    const url = await host.create('large')
    const source = await git.makeRepository(host.folder.join('large'), 1)
    writeFileSync(host.folder.join('large', 'large.bin'), seededBytes('large', 30_000_000))
    await git.commit(source, {}, 'large')
    await git.run(['push', '-q', url, 'main'], { cwd: source })
    const copy = host.folder.join('large-copy.git')
    await git.run(['clone', '-q', '--mirror', url, copy])
    await assertSame(source, copy)
  })

  it('keeps names in any script, and odd but lawful ones', async () => {
    const url = await host.create('names')
    const names = ['feature/größe', 'ветка', '分支/一', '🚀', 'a@b', 'with=sign,comma;semicolon', "quote'", 'p%20q', 'x'.repeat(200)]
    for (const name of names) await git.run(['push', '-q', url, `main:refs/heads/${name}`], { cwd: work })
    const listed = (await git.read(['ls-remote', '--heads', url])).split('\n').map((line) => line.split('\t')[1])
    assert.deepEqual(listed.sort(), names.map((name) => `refs/heads/${name}`).sort())
    const copy = host.folder.join('names.git')
    await git.run(['clone', '-q', '--mirror', url, copy])
    await git.run(['fsck', '--strict'], { cwd: copy })
  })
})

describe('shallow', () => {
  it('clones with --depth 1, deepens and completes', async () => {
    const url = await host.create('shallow')
    await git.run(['push', '-q', url, 'main'], { cwd: work })
    for (const version of ['0', '2']) {
      const config = ['-c', `protocol.version=${version}`]
      const copy = host.folder.join(`shallow-${version}`)
      const count = async (): Promise<string> => await git.read(['rev-list', '--count', 'HEAD'], { cwd: copy })
      await git.run([...config, 'clone', '-q', '--depth', '1', url, copy])
      assert.equal(await count(), '1')
      await git.run(['fsck', '--strict'], { cwd: copy })
      await git.run([...config, 'fetch', '-q', '--depth', '3'], { cwd: copy })
      assert.equal(await count(), '3')
      await git.run([...config, 'fetch', '-q', '--deepen', '2'], { cwd: copy })
      assert.equal(await count(), '5')
      await git.run([...config, 'fetch', '-q', '--unshallow'], { cwd: copy })
      assert.equal(await count(), '12')
      await git.run(['fsck', '--strict'], { cwd: copy })
    }
  })

  it('pushes from a shallow clone', async () => {
    const url = await host.create('shallow-push')
    await git.run(['push', '-q', url, 'main'], { cwd: work })
    const copy = host.folder.join('shallow-push')
    await git.run(['clone', '-q', '--depth', '2', url, copy])
    const tip = await git.commit(copy, { 'from-shallow.txt': 'yes\n' })
    await git.run(['push', '-q', 'origin', 'main'], { cwd: copy })
    const full = host.folder.join('shallow-push-full.git')
    await git.run(['clone', '-q', '--mirror', url, full])
    await git.run(['fsck', '--strict'], { cwd: full })
    assert.equal(await git.read(['rev-parse', 'main'], { cwd: full }), tip)
    assert.equal(await git.read(['rev-list', '--count', 'main'], { cwd: full }), '13')
  })
})

describe('bodies', () => {
  it('reads gzip’d requests (many haves)', async () => {
    const url = await host.create('gzip')
    await git.run(['push', '-q', url, 'main'], { cwd: work })
    const copy = host.folder.join('gzip-copy')
    await git.run(['clone', '-q', url, copy])
    const stream: string[] = []
    for (let n = 0; n < 700; n++) {
      const from = n === 0 ? 'from refs/heads/main^0\n' : ''
      stream.push(`commit refs/heads/local\ncommitter Tester <tester@example.com> ${1700100000 + n} +0000\ndata 2\n${n % 10}\n${from}`)
    }
    await git.run(['fast-import', '--quiet', '--done'], { cwd: copy, input: `${stream.join('')}done\n` })
    for (const version of ['0', '2']) {
      const tip = await git.commit(work, { 'gzip.txt': `gzip ${version}\n` })
      await git.run(['push', '-q', url, 'main'], { cwd: work })
      const args = ['-c', `protocol.version=${version}`, 'fetch', url, `main:refs/remotes/again/${version}`]
      const fetched = await git.run(args, { cwd: copy, env: { GIT_TRACE_CURL: '1' } })
      assert.ok(/Content-Encoding: gzip/i.test(fetched.stderr), 'git sent a gzip’d request')
      assert.equal(await git.read(['rev-parse', `refs/remotes/again/${version}`], { cwd: copy }), tip)
    }
  })

  it('reads chunked requests (http.postBuffer=1)', async () => {
    const url = await host.create('chunked')
    const source = await git.makeRepository(host.folder.join('chunked'), 2)
    await git.commit(source, { 'noise.bin': seededBytes('chunked', 400_000) })
    const pushed = await git.run(['-c', 'http.postBuffer=1', 'push', url, 'main'], { cwd: source, env: { GIT_TRACE_CURL: '1' } })
    assert.ok(/Transfer-Encoding: chunked/i.test(pushed.stderr), 'git sent the pack in chunks')
    const copy = host.folder.join('chunked-copy.git')
    await git.run(['clone', '-q', '--mirror', url, copy])
    await assertSame(source, copy)
  })

  it('tells its progress on side-band 2', stemmaOnly, async () => {
    const url = await host.create('progress')
    const pushed = await git.run(['push', '--progress', url, 'main'], { cwd: work })
    assert.match(pushed.stderr, /^remote: /m)
    const copy = host.folder.join('progress')
    const cloned = await git.run(['clone', '--progress', url, copy])
    assert.match(cloned.stderr, /^remote: /m)
  })
})
