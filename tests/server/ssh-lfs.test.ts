// git-lfs with an SSH remote: it asks git-lfs-authenticate, and goes on over HTTP with what that says.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import type { Git } from '../support/git.ts'
import { stemmaOnly } from '../support/host.ts'
import { seededBytes } from '../support/random.ts'
import { makeSshKey, openSshHost, type SshHost, withSsh } from '../support/ssh.ts'

const hasLfs = spawnSync('git', ['lfs', 'version']).status === 0
const withLfs = hasLfs ? {} : { skip: 'git-lfs is not on this machine: run tests/interop/install.sh' }

describe('git-lfs over SSH', { ...withSsh, ...stemmaOnly }, () => {
  let ssh: SshHost
  let git: Git
  before(async () => {
    ssh = await openSshHost('ssh-lfs')
    git = ssh.host.git
  })
  after(async () => await ssh?.close())

  const authenticate = async (path: string, operation: string, client = ssh.client) => {
    const answer = await client.run(`git-lfs-authenticate ${path} ${operation}`)
    assert.deepEqual([answer.code, answer.stderr], [0, ''])
    return JSON.parse(answer.stdout) as { href: string; header: { Authorization: string }; expires_in: number }
  }
  const batch = async ({ href, header }: { href: string; header: { Authorization: string } }, operation: string) => {
    const body = JSON.stringify({ operation, objects: [{ oid: '1'.repeat(64), size: 1 }] })
    const headers = { ...header, 'content-type': 'application/vnd.git-lfs+json', accept: 'application/vnd.git-lfs+json' }
    return (await fetch(`${href}/objects/batch`, { method: 'POST', headers, body })).status
  }

  it('pushes with a repository that is made by it, and clones', withLfs, async () => {
    await git.run(['lfs', 'install', '--skip-repo'])
    const work = ssh.host.folder.join('work')
    const { env } = ssh.client
    await git.run(['init', '-q', work])
    await git.run(['lfs', 'track', '*.bin'], { cwd: work })
    const bytes = seededBytes('lfs', 400_000)
    await git.commit(work, { 'one.bin': bytes }, 'first')
    const url = ssh.client.url('admin/large-files')
    await git.run(['push', '-q', url, 'main'], { cwd: work, env })
    const copy = ssh.host.folder.join('copy')
    await git.run(['clone', '-q', url, copy], { env })
    assert.deepEqual(readFileSync(`${copy}/one.bin`), Buffer.from(bytes))
    await git.run(['lfs', 'fsck'], { cwd: copy })
  })

  it('what is given out is good for its repository and its operation, and ends with the key', async () => {
    for (const name of ['one', 'two']) await ssh.host.server.create(name, { private: true })
    const key = makeSshKey(ssh.host.folder, 'lfs-key')
    const id = await ssh.add(key)
    const client = ssh.client.with(key)
    const download = await authenticate('admin/one.git', 'download', client)
    const upload = await authenticate('/admin/one', 'upload', client)
    assert.equal(download.href, `${ssh.host.server.url}/admin/one.git/info/lfs`)
    assert.ok(download.expires_in > 0)
    assert.deepEqual([await batch(download, 'download'), await batch(download, 'upload')], [200, 403])
    assert.deepEqual([await batch(upload, 'download'), await batch(upload, 'upload')], [200, 200])
    const elsewhere = { ...upload, href: upload.href.replace('/one.git', '/two.git') }
    assert.deepEqual([await batch(elsewhere, 'download'), await batch(elsewhere, 'upload')], [404, 404])
    const token = download.header.Authorization.replace('Bearer ', '')
    assert.equal((await ssh.host.server.api('POST', '/api/v3/user/repos', { name: 'made' }, token)).status, 403)
    await ssh.host.server.api('DELETE', `/api/v3/user/keys/${id}`)
    assert.deepEqual([await batch(download, 'download'), await batch(upload, 'upload')], [401, 401])
  })

  it('a read-only deploy key downloads, and uploads nothing', async () => {
    const key = makeSshKey(ssh.host.folder, 'deploy')
    await ssh.host.server.api('POST', '/api/v3/repos/admin/one/keys', { key: key.line, read_only: true })
    const client = ssh.client.with(key)
    assert.equal(await batch(await authenticate('admin/one', 'download', client), 'download'), 200)
    const refused = await client.run('git-lfs-authenticate admin/one upload')
    assert.deepEqual([refused.code, refused.stderr], [128, 'ERROR: You may read admin/one, but not push to it.\n'])
    const hidden = await client.run('git-lfs-authenticate admin/two download')
    assert.deepEqual([hidden.code, hidden.stderr], [128, 'ERROR: Repository not found.\n'])
  })
})
