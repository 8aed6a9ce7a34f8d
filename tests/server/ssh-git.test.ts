// git over SSH, in every version of its protocol: pushes, clones, fetches that take rounds of negotiation, shallow and partial ones, archives.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { contentOf, type Git, wholeClone } from '../support/git.ts'
import { stemmaOnly } from '../support/host.ts'
import { seededBytes } from '../support/random.ts'
import { openSshHost, type SshHost, withSsh } from '../support/ssh.ts'

const versions = [0, 1, 2] as const

describe('git over SSH', { ...withSsh, ...stemmaOnly }, () => {
  let ssh: SshHost
  let git: Git
  let env: Readonly<Record<string, string>>
  let work: string
  before(async () => {
    ssh = await openSshHost('ssh-git')
    git = ssh.host.git
    env = ssh.client.env
    work = await git.makeRepository(ssh.host.folder.join('work'), 300)
    await git.run(['tag', '-a', '-m', 'one', 'v1', 'main~100'], { cwd: work })
  })
  after(async () => await ssh?.close())

  const speaking = (version: number) => ['-c', `protocol.version=${version}`]
  const path = (name: string) => ssh.host.folder.join(name)

  for (const version of versions) {
    it(`version ${version}: a first push creates, and comes back whole`, async () => {
      const url = ssh.client.url(`admin/first-${version}`)
      await git.run([...speaking(version), 'push', '-q', '--mirror', url], { cwd: work, env })
      assert.match(await git.read([...speaking(version), 'ls-remote', url], { env }), /refs\/heads\/main\n[0-9a-f]{40}\trefs\/tags\/v1\n/)
      const copy = path(`copy-${version}`)
      await git.run([...speaking(version), 'clone', '-q', '--mirror', url, copy], { env })
      await git.run(['fsck', '--full', '--strict'], { cwd: copy })
      assert.deepEqual(await contentOf(git, copy), await contentOf(git, work))
    })

    it(`version ${version}: a client with much of its own comes to an end, and gets what it lacks alone`, async () => {
      const url = ssh.client.url(`admin/talk-${version}`)
      await git.run(['push', '-q', url, 'main'], { cwd: work, env })
      const other = path(`talk-${version}`)
      await git.run(['clone', '-q', url, other], { env })
      // more of its own, on several branches, than goes into the first batches of haves; and news on the server
      const lines = Array.from({ length: 600 }, (_, n) => commitOf(`refs/heads/own-${n % 7}`, n)).join('')
      await git.run(['fast-import', '--quiet', '--done'], { cwd: other, input: `${lines}done\n` })
      const author = path(`author-${version}`)
      await git.run(['clone', '-q', work, author])
      const news = await git.commit(author, { 'news.txt': 'news' })
      await git.run(['push', '-q', url, 'main'], { cwd: author, env })
      const trace = path(`trace-${version}`)
      const traced = { ...env, GIT_TRACE_PACKET: trace }
      await git.run([...speaking(version), 'fetch', '-q', 'origin'], { cwd: other, env: traced })
      assert.equal(await git.read(['rev-parse', 'origin/main'], { cwd: other }), news)
      await git.run(['fsck', '--full'], { cwd: other })
      const packets = readFileSync(trace, 'utf8')
      const haves = packets.match(/> have [0-9a-f]{40}/g) ?? []
      assert.ok(haves.length > 64, `${haves.length} haves`)
      const flushes = packets.match(/> (?:have [0-9a-f]{40}|0000)\n/g)?.filter((line) => line.includes('0000')).length ?? 0
      assert.ok(flushes >= 3, `${flushes} rounds`)
      const all = await git.read(['count-objects', '-v'], { cwd: other })
      assert.match(all, /packs: [1-3]\n/)
    })

    it(`version ${version}: shallow clones are cut off, deepened and made whole`, async () => {
      const url = ssh.client.url(`admin/first-${version}`)
      const copy = path(`shallow-${version}`)
      const count = async () => Number(await git.read(['rev-list', '--count', 'HEAD'], { cwd: copy }))
      await git.run([...speaking(version), 'clone', '-q', '--depth', '3', '--branch', 'main', url, copy], { env })
      assert.equal(await count(), 3)
      await git.run([...speaking(version), 'fetch', '-q', '--deepen', '5'], { cwd: copy, env })
      assert.equal(await count(), 8)
      await git.run([...speaking(version), 'fetch', '-q', '--unshallow'], { cwd: copy, env })
      assert.equal(await count(), 300)
      await git.run(['fsck', '--full'], { cwd: copy })
    })

    it(`version ${version}: partial clones fetch what they lack when they need it`, async () => {
      const copy = path(`partial-${version}`)
      const url = ssh.client.url(`admin/first-${version}`)
      await git.run([...speaking(version), 'clone', '-q', '--filter=blob:none', '--branch', 'main', url, copy], { env })
      assert.ok((await git.read(['rev-list', '--objects', '--missing=print', '--all'], { cwd: copy })).includes('\n?'))
      assert.match(await git.read(['show', 'main~50:file-1.txt'], { cwd: copy, env }), /^line \d+/)
    })
  }

  it('a large push arrives, and a branch is deleted', async () => {
    const large = await git.makeRepository(path('large'), 1)
    await git.commit(large, { 'large.bin': seededBytes('large', 24 << 20), 'other.bin': seededBytes('other', 3 << 20) })
    const url = ssh.client.url('admin/large')
    await git.run(['push', '-q', url, 'main', 'main:refs/heads/gone'], { cwd: large, env })
    await git.run(['push', '-q', url, ':gone'], { cwd: large, env })
    const copy = path('large-copy')
    await git.run(['clone', '-q', '--mirror', url, copy], { env })
    await git.run(['fsck', '--full', '--strict'], { cwd: copy })
    assert.deepEqual(await contentOf(git, copy), await contentOf(git, large))
    assert.deepEqual((await git.run(['push', url, 'main'], { cwd: large, env })).stderr.trim(), 'Everything up-to-date')
  })

  it('what a push is refused for is told in git’s words', async () => {
    const url = ssh.client.url('admin/strict')
    await git.run(['push', '-q', url, 'main'], { cwd: work, env })
    await ssh.host.configure('strict', { 'receive.denynonfastforwards': true, 'receive.denydeletes': true })
    const forced = await git.run(['push', url, '+main~5:main'], { cwd: work, env, mayFail: true })
    assert.match(forced.stderr, / ! \[remote rejected\] main~5 -> main \(non-fast-forward\)/)
    const deleted = await git.run(['push', url, ':main'], { cwd: work, env, mayFail: true })
    assert.match(deleted.stderr, / ! \[remote rejected\] main \(/)
    assert.deepEqual([forced.code, deleted.code], [1, 1])
  })

  it('a pack that is refused is told, and nothing of it stays', async () => {
    const bad = await git.makeRepository(path('bad'), 1)
    const tree = await git.read(['rev-parse', 'HEAD^{tree}'], { cwd: bad })
    const author = 'Nobody <nobody@example.com 1700000000 +0000'
    const text = `tree ${tree}\nauthor ${author}\ncommitter ${author}\n\nbad\n`
    const commit = await git.read(['hash-object', '-t', 'commit', '-w', '--literally', '--stdin'], { cwd: bad, input: text })
    await git.run(['update-ref', 'refs/heads/bad', commit], { cwd: bad })
    const url = ssh.client.url('admin/bad')
    const answer = await git.run(['push', url, 'bad'], { cwd: bad, env, mayFail: true })
    assert.match(answer.stderr, /remote: fatal: .*badEmail|error: remote unpack failed: .*badEmail/)
    assert.match(answer.stderr, / ! \[remote rejected\] bad -> bad \(unpacker error\)/)
    assert.equal(answer.code, 1)
    assert.match((await git.run(['ls-remote', url], { env, mayFail: true })).stderr, /Repository not found/)
  })

  it('git archive gets archives, and lists their formats', async () => {
    const url = ssh.client.url('admin/first-2')
    const formats = await git.read(['archive', `--remote=${url}`, '--list'], { env })
    assert.match(formats, /^tar\n/)
    const tar = path('one.tar')
    await git.run(['archive', `--remote=${url}`, '--output', tar, '--prefix=one/', 'main', 'folder'], { env })
    assert.equal(readFileSync(tar).subarray(257, 262).toString(), 'ustar')
    const missing = await git.run(['archive', `--remote=${url}`, 'nowhere'], { env, mayFail: true })
    assert.match(missing.stderr, /no such ref: nowhere/)
    assert.notEqual(missing.code, 0)
  })

  it('a service that is switched off says so', async () => {
    await git.run(['push', '-q', ssh.client.url('admin/closed'), 'main'], { cwd: work, env })
    await ssh.host.configure('closed', { 'http.uploadpack': false })
    const answer = await git.run(['ls-remote', ssh.client.url('admin/closed')], { env, mayFail: true })
    assert.match(answer.stderr, /^ERROR: Service not enabled: 'upload-pack'$/m)
  })

  it('what was pushed over SSH is fetched over HTTP, and the other way round', async () => {
    const web = await ssh.host.create('both')
    await git.run(['push', '-q', web, 'main'], { cwd: work })
    await git.run(['push', '-q', ssh.client.url('admin/both'), 'main:refs/heads/by-ssh'], { cwd: work, env })
    await wholeClone(git, web, path('both'))
    assert.match(await git.read(['for-each-ref'], { cwd: path('both') }), /refs\/heads\/by-ssh\n.*refs\/heads\/main$/)
    const { body } = await ssh.host.server.api('GET', '/api/v3/repos/admin/both')
    assert.equal(body.ssh_url, ssh.client.url('admin/both'))
  })
})

function commitOf(ref: string, n: number): string {
  return `commit ${ref}\ncommitter Tester <tester@example.com> ${1710000000 + n * 60} +0000\ndata 3\nown\nM 100644 inline own.txt\ndata ${String(n).length}\n${n}\n`
}
