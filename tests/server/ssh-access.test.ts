// Who may do what over SSH, and what may not be done at all: keys, deploy keys, deleted keys, private things, shells, other commands, forwardings.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { TestAccount } from '../support/accounts.ts'
import { type Git, runProcess } from '../support/git.ts'
import { stemmaOnly } from '../support/host.ts'
import { makeSshKey, openSshHost, type SshClient, type SshHost, withSsh } from '../support/ssh.ts'

describe('access over SSH', { ...withSsh, ...stemmaOnly }, () => {
  let ssh: SshHost
  let git: Git
  let work: string
  let sam: TestAccount
  let samsClient: SshClient
  before(async () => {
    ssh = await openSshHost('ssh-access')
    git = ssh.host.git
    work = await git.makeRepository(ssh.host.folder.join('work'), 3)
    sam = await ssh.forks.account('sam')
    const key = makeSshKey(ssh.host.folder, 'sam', ['-t', 'ecdsa', '-b', '384'])
    await ssh.add(key, sam.token)
    samsClient = ssh.client.with(key)
    await git.run(['push', '-q', ssh.client.url('admin/hidden'), 'main'], { cwd: work, env: ssh.client.env })
    await git.run(['push', '-q', ssh.client.url('admin/shown'), 'main'], { cwd: work, env: ssh.client.env })
    const shown = await ssh.host.server.api('PATCH', '/api/v3/repos/admin/shown', { private: false })
    assert.equal(shown.status, 200)
  })
  after(async () => await ssh?.close())

  const lsRemote = (client: SshClient, name: string) => git.run(['ls-remote', client.url(name)], { env: client.env, mayFail: true })
  const push = (client: SshClient, name: string, ...refs: string[]) =>
    git.run(['push', client.url(name), ...refs], { cwd: work, env: client.env, mayFail: true })
  const deployKey = async (name: string, repository: string, readOnly: boolean) => {
    const key = makeSshKey(ssh.host.folder, name)
    const answer = await ssh.host.server.api('POST', `/api/v3/repos/${repository}/keys`, {
      title: name,
      key: key.line,
      read_only: readOnly,
    })
    assert.deepEqual([answer.status, answer.body.read_only, answer.body.added_by], [201, readOnly, 'admin'])
    return { client: ssh.client.with(key), id: answer.body.id as number }
  }

  it('an RSA key logs in by SHA-2, and a key that nobody has added doesn’t', async () => {
    const rsa = makeSshKey(ssh.host.folder, 'rsa', ['-t', 'rsa', '-b', '2048'])
    const refused = await lsRemote(ssh.client.with(rsa), 'admin/shown')
    assert.match(refused.stderr, /Permission denied \(publickey\)/)
    await ssh.add(rsa)
    assert.equal((await lsRemote(ssh.client.with(rsa), 'admin/shown')).code, 0)
    const sha1 = await ssh.client.with(rsa).run(null, { flags: ['-o', 'PubkeyAcceptedAlgorithms=ssh-rsa'] })
    assert.match(sha1.stderr, /Permission denied|no mutual signature/)
  })

  it('a private repository answers as a missing one, whatever is asked of it', async () => {
    for (const command of ['git-upload-pack', 'git-receive-pack', 'git-upload-archive', 'git-lfs-authenticate']) {
      const [hidden, missing] = await Promise.all(
        ['hidden', 'missing'].map((name) => samsClient.run(`${command} 'admin/${name}.git'${command.includes('lfs') ? ' download' : ''}`)),
      )
      assert.deepEqual([hidden?.code, hidden?.stdout, hidden?.stderr], [missing?.code, missing?.stdout, missing?.stderr])
      assert.deepEqual([hidden?.code, hidden?.stderr], [128, 'ERROR: Repository not found.\n'])
    }
  })

  it('what may be read only is not pushed to; nor is created what is not one’s own', async () => {
    assert.equal((await lsRemote(samsClient, 'admin/shown')).code, 0)
    assert.match((await push(samsClient, 'admin/shown', 'main:other')).stderr, /^ERROR: You may read admin\/shown, but not push to it\.$/m)
    assert.match((await push(samsClient, 'admin/fresh', 'main')).stderr, /^ERROR: Repository not found\.$/m)
    assert.equal((await push(samsClient, 'sam/fresh', 'main')).code, 0)
  })

  it('a deploy key reaches its repository alone, and a read-only one changes nothing', async () => {
    const reading = await deployKey('reads', 'admin/hidden', true)
    const writing = await deployKey('writes', 'admin/hidden', false)
    for (const { client } of [reading, writing]) {
      assert.equal((await lsRemote(client, 'admin/hidden')).code, 0)
      assert.match((await lsRemote(client, 'sam/fresh')).stderr, /Repository not found/)
      assert.match((await push(client, 'admin/by-deploy-key', 'main')).stderr, /Repository not found/)
      assert.match((await push(client, 'admin/shown', 'main:x')).stderr, /but not push to it/)
    }
    assert.match(
      (await push(reading.client, 'admin/hidden', 'main:x')).stderr,
      /^ERROR: You may read admin\/hidden, but not push to it\.$/m,
    )
    assert.equal((await push(writing.client, 'admin/hidden', 'main:deployed')).code, 0)
    const greeting = await writing.client.run(null)
    assert.match(greeting.stderr, /^Hi deploy key 'writes' of admin\/hidden! /)
    const gone = await ssh.host.server.api('DELETE', `/api/v3/repos/admin/hidden/keys/${writing.id}`)
    assert.equal(gone.status, 204)
    assert.match((await lsRemote(writing.client, 'admin/hidden')).stderr, /Permission denied \(publickey\)/)
  })

  it('a key belongs to one thing, whoever asks', async () => {
    const key = makeSshKey(ssh.host.folder, 'once')
    await ssh.add(key)
    for (const [path, token] of [
      ['/api/v3/user/keys', sam.token],
      ['/api/v3/user/keys', undefined],
      ['/api/v3/repos/admin/hidden/keys', undefined],
    ] as const) {
      const answer = await ssh.host.server.api('POST', path, { title: 'again', key: key.line }, token)
      assert.deepEqual([answer.status, answer.body.errors[0].message], [422, 'key is already in use'])
    }
  })

  it('a deleted key opens nothing more, on a connection that is open, too; a suspended account’s neither', async () => {
    const key = makeSshKey(ssh.host.folder, 'short-lived')
    const id = await ssh.add(key, sam.token)
    const client = ssh.client.with(key)
    const socket = ssh.host.folder.join('control')
    const shared = ['-o', 'ControlMaster=auto', '-o', `ControlPath=${socket}`, '-o', 'ControlPersist=60']
    const command = `git-upload-pack 'sam/fresh.git'`
    const ask = () => client.run(command, { flags: shared, input: '0000' })
    assert.equal((await ask()).code, 0)
    assert.equal((await ssh.host.server.api('DELETE', `/api/v3/user/keys/${id}`, undefined, sam.token)).status, 204)
    const after = await ask()
    assert.deepEqual([after.code, after.stderr], [128, 'ERROR: This key is not known any more.\n'])
    await runProcess('ssh', [...client.args, ...shared, '-O', 'exit', 'git@127.0.0.1'], { mayFail: true })
    assert.match((await client.run(command, { input: '0000' })).stderr, /Permission denied \(publickey\)/)
    await ssh.forks.queries.updateTable('account').set({ suspended_at: new Date() }).where('login', '=', 'sam').execute()
    assert.match((await samsClient.run(command)).stderr, /Permission denied \(publickey\)/)
    await ssh.forks.queries.updateTable('account').set({ suspended_at: null }).where('login', '=', 'sam').execute()
  })

  it('another user name is told which to take', async () => {
    const answer = await ssh.client.run(`git-upload-pack 'admin/shown.git'`, { user: 'admin' })
    assert.deepEqual([answer.code, answer.stderr], [128, "ERROR: log in as git, not as 'admin': ssh://git@HOST/OWNER/REPOSITORY\n"])
  })

  it('there is no shell, no terminal, no subsystem, no forwarding of anything', async () => {
    const shell = await ssh.client.run(null)
    assert.match(shell.stderr, /^Hi admin! You have logged in, but there is no shell here\. This server speaks git: /)
    assert.equal(shell.code, 1)
    const terminal = await ssh.client.run(null, { flags: ['-tt', '-o', 'LogLevel=INFO'] })
    assert.match(terminal.stderr, /PTY allocation request failed on channel 0/)
    const sftp = await ssh.client.run('sftp', { flags: ['-s'] })
    assert.match(sftp.stderr, /^ERROR: There is no sftp here\. This server speaks git: /)
    const there = await ssh.client.run(null, { flags: ['-W', '127.0.0.1:1'] })
    assert.match(there.stderr, /administratively prohibited|open failed/)
    const back = await ssh.client.run(null, { flags: ['-o', 'ExitOnForwardFailure=yes', '-R', '0:127.0.0.1:1'] })
    assert.match(back.stderr, /remote port forwarding failed/)
    const agent = await ssh.client.run(null, { flags: ['-A', '-X'] })
    assert.equal(agent.code, 1)
  })

  it('nothing but git’s services is run, whatever the command says', async () => {
    for (const command of [
      'id',
      'sh -c id',
      'git-shell',
      'git-lfs-transfer admin/shown.git download',
      `git-upload-pack 'admin/shown.git'; id`,
      `git-upload-pack 'admin/shown.git' && id`,
      'git-upload-pack `id`',
      'git-upload-pack $(id)',
      `git-upload-pack "$HOME"`,
      `git-upload-pack 'admin/shown.git`,
      `git-upload-pack admin/shown.git --exec=id`,
      `git-upload-pack --strict admin/shown.git`,
      `git-upload-pack\nid`,
      `git -c core.sshCommand=id upload-pack admin/shown.git`,
      `${'x'.repeat(5000)}`,
    ]) {
      const answer = await ssh.client.run(command)
      assert.equal(answer.code, 128, command)
      assert.match(answer.stderr, /^ERROR: .*This server speaks git and git-lfs-authenticate alone\.\n$/, command)
      assert.equal(answer.stdout, '', command)
    }
  })

  it('paths name repositories and nothing else', async () => {
    for (const path of [
      '~/shown.git',
      '~admin/shown.git',
      '../admin/shown.git',
      'admin/../admin/shown.git',
      './admin/shown.git',
      'admin//shown.git',
      '//admin/shown.git',
      'admin/shown.git/objects',
      'admin/shown.git/../hidden.git',
      'admin/shown%2egit',
      'admin',
      '',
      '/etc/passwd',
      'admin/shown.git\\',
      'admin/sh\u00f6wn.git',
      "admin/'\\''shown.git",
      '--help',
    ]) {
      const answer = await ssh.client.run(`git-upload-pack '${path}'`)
      assert.deepEqual([answer.code, answer.stdout, answer.stderr], [128, '', 'ERROR: Repository not found.\n'], path)
    }
    for (const path of ['/admin/shown.git', 'admin/shown.git', 'admin/shown', '/ADMIN/Shown.git/', '/admin/shown']) {
      const answer = await ssh.client.run(`git-upload-pack '${path}'`, { input: '0000' })
      assert.deepEqual([answer.code, answer.stderr], [0, ''], path)
    }
    assert.equal((await ssh.client.run('git upload-pack "admin/shown"', { input: '0000' })).code, 0)
  })

  it('the log says who did what, and shows no key', () => {
    const { output } = ssh.host.server
    assert.match(output, /"command":"git-receive-pack","repository":"admin\/shown","account":"admin","status":0/)
    assert.match(output, /"command":"git-upload-pack","repository":"admin\/hidden","account":"sam","status":128/)
    assert.ok(!output.includes('AAAA'), 'a key is in the log')
  })
})
