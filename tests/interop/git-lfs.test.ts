// The git-lfs client: push, clone, fsck, resumed downloads, versions of a large file, locks, forks, private repositories.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { contentTotals } from '../../src/store/index.ts'
import type { TestAccount } from '../support/accounts.ts'
import { sha256 } from '../support/content.ts'
import { Forks } from '../support/forks.ts'
import type { Git } from '../support/git.ts'
import { type Host, openHost, stemmaOnly } from '../support/host.ts'
import { seededBytes } from '../support/random.ts'

let host: Host
let git: Git
let forks: Forks
let olive: TestAccount
let sam: TestAccount
const largeBytes = 20 << 20

describe('git-lfs', stemmaOnly, () => {
  before(async () => {
    host = await openHost('git-lfs', { STEMMA_LIMITS_LFS_OBJECT_BYTES: '32MiB' })
    git = host.git
    const version = await git.run(['lfs', 'version'], { mayFail: true })
    assert.equal(version.code, 0, 'git-lfs is not installed: run tests/interop/install.sh')
    await git.run(['lfs', 'install', '--skip-repo'])
    forks = Forks.open(host.server)
    olive = await forks.account('olive')
    sam = await forks.account('sam')
  })
  after(async () => {
    await forks?.close()
    await host?.close()
  })

  /** A work tree that keeps `*.bin` in LFS, with these files in its first commit. */
  async function workTree(name: string, files: Readonly<Record<string, Uint8Array>>): Promise<string> {
    const work = host.folder.join(name)
    await git.run(['init', '-q', work])
    await git.run(['lfs', 'track', '*.bin'], { cwd: work })
    await git.commit(work, files, 'first')
    return work
  }

  /** What the store keeps, by its own figures. */
  async function storedBytes(): Promise<number> {
    const { segmentBytes, tailBytes } = await contentTotals(forks.queries)
    return segmentBytes + tailBytes
  }

  async function pull(url: string, name: string): Promise<string> {
    const copy = host.folder.join(name)
    await git.run(['clone', '-q', url, copy])
    await git.run(['lfs', 'fsck'], { cwd: copy })
    return copy
  }

  it('pushes, also to a repository that is made by it, and clones with a clean fsck', async () => {
    const files = { 'one.bin': seededBytes('one', 300_000), 'deep/two.bin': seededBytes('two', 10), 'empty.bin': new Uint8Array(0) }
    const work = await workTree('first', files)
    const url = forks.url(olive, 'first')
    await git.run(['push', '-q', url, 'main'], { cwd: work })
    const copy = await pull(url, 'first-copy')
    for (const [name, bytes] of Object.entries(files)) assert.ok(readFileSync(join(copy, name)).equals(bytes), name)
    assert.equal((await git.read(['lfs', 'ls-files', '-n'], { cwd: copy })).split('\n').length, 2, 'the empty file is none')
    const oid = sha256(files['one.bin'])
    assert.ok(existsSync(join(copy, '.git/lfs/objects', oid.slice(0, 2), oid.slice(2, 4), oid)))
  })

  it('keeps two versions of a large file in little more than one', async () => {
    const large = seededBytes('large', largeBytes)
    const work = await workTree('large', { 'large.bin': large })
    const url = forks.url(olive, 'large')
    const start = await storedBytes()
    await git.run(['push', '-q', url, 'main'], { cwd: work, timeoutMs: 300_000 })
    const first = (await storedBytes()) - start
    const changed = Buffer.concat([large.subarray(0, 9_000_000), Buffer.from('inserted'), large.subarray(9_000_000)])
    await git.commit(work, { 'large.bin': changed }, 'second')
    await git.run(['push', '-q', url, 'main'], { cwd: work, timeoutMs: 300_000 })
    const second = (await storedBytes()) - start - first
    assert.ok(first > largeBytes * 0.99 && first < largeBytes * 1.02, `the first version took ${first}`)
    assert.ok(second > 0 && second < 600_000, `the second version took ${second}`)
    const copy = await pull(url, 'large-copy')
    assert.equal(sha256(readFileSync(join(copy, 'large.bin'))), sha256(changed))
    await git.run(['checkout', '-q', 'HEAD~'], { cwd: copy, timeoutMs: 300_000 })
    assert.equal(sha256(readFileSync(join(copy, 'large.bin'))), sha256(large))
  })

  it('goes on with a download that broke off', async () => {
    const bytes = seededBytes('resumed', 3_000_000)
    const oid = sha256(bytes)
    const url = forks.url(olive, 'resumed')
    await git.run(['push', '-q', url, 'main'], { cwd: await workTree('resumed', { 'r.bin': bytes }) })
    const copy = host.folder.join('resumed-copy')
    await git.run(['clone', '-q', url, copy], { env: { GIT_LFS_SKIP_SMUDGE: '1' } })
    const begun = join(copy, '.git/lfs/incomplete')
    mkdirSync(begun, { recursive: true })
    writeFileSync(join(begun, `${oid}.part`), bytes.subarray(0, 1_234_567))
    const { stderr } = await git.run(['lfs', 'pull'], { cwd: copy, env: { GIT_TRACE: '1', GIT_CURL_VERBOSE: '1' } })
    assert.match(stderr, /range: bytes=1234567-/i)
    assert.match(stderr, /206 Partial Content/)
    assert.ok(readFileSync(join(copy, 'r.bin')).equals(bytes))
    await git.run(['lfs', 'fsck'], { cwd: copy })
  })

  it('shows a stranger nothing of a private repository', async () => {
    const work = await workTree('private', { 'p.bin': seededBytes('private', 5000) })
    const url = forks.url(olive, 'private')
    await git.run(['push', '-q', url, 'main'], { cwd: work })
    const copy = host.folder.join('private-copy')
    await git.run(['clone', '-q', url, copy], { env: { GIT_LFS_SKIP_SMUDGE: '1' } })
    const words = async (name: string): Promise<string> => {
      const asSam = url.replace(`${olive.login}:${olive.token}@`, `${sam.login}:${sam.token}@`).replace('private', name)
      await git.run(['config', 'lfs.url', `${asSam}/info/lfs`], { cwd: copy })
      const refused = await git.run(['lfs', 'pull'], { cwd: copy, mayFail: true })
      assert.notEqual(refused.code, 0)
      return refused.stderr.replaceAll(name, 'NAME')
    }
    const [hidden, missing] = [await words('private'), await words('nothing')]
    assert.match(hidden, /Not Found|not found/)
    assert.equal(hidden, missing)
    await git.run(['config', 'lfs.url', `${url}/info/lfs`], { cwd: copy })
    await git.run(['lfs', 'pull'], { cwd: copy })
    await git.run(['lfs', 'fsck'], { cwd: copy })
  })

  it('says what is too large', async () => {
    const tooLarge = await workTree('too-large', { 'huge.bin': seededBytes('huge', 33 << 20) })
    const push = await git.run(['push', forks.url(olive, 'too-large'), 'main'], { cwd: tooLarge, mayFail: true, timeoutMs: 300_000 })
    assert.notEqual(push.code, 0)
    assert.match(push.stderr, /at most 33554432 bytes/)
  })

  it('says that a quota is used up', async () => {
    await host.server.api('PUT', '/api/v3/users/sam/quota', { limit_bytes: 100_000 })
    const work = await workTree('quota', { 'a.bin': seededBytes('a', 60_000), 'b.bin': seededBytes('b', 60_000) })
    const push = await git.run(['push', forks.url(sam, 'quota'), 'main'], { cwd: work, mayFail: true })
    assert.notEqual(push.code, 0)
    assert.match(push.stderr, /storage quota is exceeded: \d+\.\d KiB is left of 97\.7 KiB/)
    await host.server.api('PUT', '/api/v3/users/sam/quota', { limit_bytes: null })
    await git.run(['push', '-q', forks.url(sam, 'quota'), 'main'], { cwd: work })
  })

  it('says which object is missing', async () => {
    const work = await workTree('missing', { 'm.bin': seededBytes('missing', 5000) })
    const url = forks.url(olive, 'missing')
    await git.run(['push', '-q', '--no-verify', url, 'main'], { cwd: work })
    rmSync(join(work, '.git/lfs'), { recursive: true })
    const clone = await git.run(['clone', url, host.folder.join('missing-copy')], { mayFail: true })
    assert.notEqual(clone.code, 0)
    assert.match(clone.stderr, /Object does not exist|404/)
  })

  it('locks and unlocks, and a foreign lock halts a push', async () => {
    const work = await workTree('locked', { 'l.bin': seededBytes('l', 100), 'm.bin': seededBytes('m', 100) })
    const own = forks.url(olive, 'locked')
    await git.run(['remote', 'add', 'origin', own], { cwd: work })
    await git.run(['push', '-q', 'origin', 'main'], { cwd: work })
    const asAdmin = own.replace(`${olive.login}:${olive.token}@`, `admin:${host.server.token}@`)
    const other = await pull(asAdmin, 'locked-other')
    await git.run(['lfs', 'lock', 'l.bin'], { cwd: work })
    const conflict = await git.run(['lfs', 'lock', 'l.bin'], { cwd: other, mayFail: true })
    assert.notEqual(conflict.code, 0)
    assert.match(conflict.stdout + conflict.stderr, /already created lock/)
    assert.match(await git.read(['lfs', 'locks'], { cwd: other }), /l\.bin\s+olive/)
    for (const cwd of [work, other]) await git.run(['config', 'lfs.locksverify', 'true'], { cwd })
    await git.run(['config', 'lfs.setlockablereadonly', 'false'], { cwd: other })
    await git.commit(other, { 'l.bin': seededBytes('l2', 100) }, 'against the lock')
    const halted = await git.run(['push', 'origin', 'main'], { cwd: other, mayFail: true })
    assert.notEqual(halted.code, 0)
    assert.match(halted.stdout + halted.stderr, /l\.bin - olive/)
    const kept = await git.run(['lfs', 'unlock', 'l.bin'], { cwd: other, mayFail: true })
    assert.notEqual(kept.code, 0)
    await git.run(['lfs', 'unlock', '--force', 'l.bin'], { cwd: other })
    await git.run(['push', '-q', 'origin', 'main'], { cwd: other })
    await git.run(['lfs', 'lock', 'm.bin'], { cwd: work })
    await git.run(['lfs', 'unlock', 'm.bin'], { cwd: work })
    assert.equal(await git.read(['lfs', 'locks'], { cwd: work }), '')
  })

  it('clones a fork with what its source had, and pushes to it what is new alone', async () => {
    const work = await workTree('source', { 's.bin': seededBytes('source', 50_000) })
    const source = forks.url(olive, 'source')
    await git.run(['push', '-q', source, 'main'], { cwd: work })
    await host.server.api('PATCH', '/api/v3/repos/olive/source', { private: false })
    const fork = await forks.fork(['olive', 'source'], sam, 'forked', 'public')
    const copy = await pull(fork, 'forked-copy')
    assert.equal((await host.server.api('DELETE', '/api/v3/repos/olive/source')).status, 204)
    await git.commit(copy, { 'new.bin': seededBytes('new in the fork', 50_000) }, 'new')
    const { stderr } = await git.run(['push', 'origin', 'main'], { cwd: copy, env: { GIT_CURL_VERBOSE: '1' } })
    assert.equal(stderr.match(/PUT \/sam\/forked\.git\/info\/lfs\/objects\//g)?.length, 1)
    const again = await pull(fork, 'forked-again')
    assert.ok(readFileSync(join(again, 's.bin')).equals(seededBytes('source', 50_000)))
  })
})
