// The real git against the server: who may read and write, and what git tells those who may not.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Git } from '../support/git.ts'
import { type Host, openHost, stemmaOnly } from '../support/host.ts'
import { send } from '../support/wire.ts'

let host: Host
let git: Git
let work: string

before(async () => {
  host = await openHost('access')
  git = host.git
  work = await git.makeRepository(host.folder.join('work'), 3)
})
after(async () => await host?.close())

const server = (): Host['server'] => host.server

describe('a private repository', stemmaOnly, () => {
  before(async () => {
    const url = await server().create('secret', { private: true })
    await git.run(['push', '-q', url, 'main'], { cwd: work })
  })

  it('clones with the token', async () => {
    await git.run(['clone', '-q', server().repositoryUrl('secret'), host.folder.join('secret')])
    await git.run(['-c', server().eagerAuthorization, 'ls-remote', server().repositoryUrl('secret', '')])
  })

  it('takes the token as bearer too', async () => {
    const bearer = `http.extraHeader=Authorization: Bearer ${server().token}`
    assert.match(await git.read(['-c', bearer, 'ls-remote', server().repositoryUrl('secret', '')]), /refs\/heads\/main/)
  })

  it('asks those without a token for one', async () => {
    const url = server().repositoryUrl('secret', '')
    const refused = await git.run(['clone', url, host.folder.join('none')], { mayFail: true, env: { GIT_ASKPASS: '' } })
    assert.notEqual(refused.code, 0)
    assert.match(refused.stderr, /could not read Username/)
    const answer = await send(url, '/admin/secret.git/info/refs?service=git-upload-pack')
    assert.equal(answer.status, 401)
    assert.match(String(answer.headers['www-authenticate']), /^Basic realm=/)
  })

  it('refuses a wrong token with git’s own message', async () => {
    const url = server().repositoryUrl('secret', 'admin:wrong-token')
    for (const args of [
      ['clone', url, host.folder.join('wrong')],
      ['push', url, 'main:refs/heads/x'],
      ['ls-remote', url],
    ]) {
      const refused = await git.run(args, { cwd: work, mayFail: true })
      assert.notEqual(refused.code, 0)
      assert.match(refused.stderr, /Authentication failed for/)
    }
  })

  it('does not tell whether it exists', async () => {
    const ask = (name: string): ReturnType<typeof send> => send(server().url, `/admin/${name}.git/info/refs?service=git-upload-pack`)
    const there = await ask('secret')
    const nowhere = await ask('not-there')
    assert.equal(there.status, nowhere.status)
    assert.deepEqual(there.body, nowhere.body)
  })
})

describe('a public repository', stemmaOnly, () => {
  before(async () => {
    const url = await server().create('open', { private: false })
    await git.run(['push', '-q', url, 'main'], { cwd: work })
  })

  it('clones without a token', async () => {
    await git.run(['clone', '-q', server().repositoryUrl('open', ''), host.folder.join('open')])
  })

  it('takes no push without a token', async () => {
    const url = server().repositoryUrl('open', '')
    const refused = await git.run(['push', url, 'main:refs/heads/x'], { cwd: work, mayFail: true, env: { GIT_ASKPASS: '' } })
    assert.notEqual(refused.code, 0)
    assert.match(refused.stderr, /could not read Username/)
    const body = Buffer.from('0000')
    const headers = { 'content-type': 'application/x-git-receive-pack-request' }
    const answer = await send(url, '/admin/open.git/git-receive-pack', { method: 'POST', headers, body })
    assert.equal(answer.status, 401)
  })
})

describe('a repository that does not exist', stemmaOnly, () => {
  it('is not found by those who may ask', async () => {
    const refused = await git.run(['clone', server().repositoryUrl('nothing'), host.folder.join('nothing')], { mayFail: true })
    assert.match(refused.stderr, /repository '.*' not found/)
  })

  it('is made by a push', async () => {
    const url = server().repositoryUrl('made-by-push')
    await git.run(['push', '-q', url, 'main'], { cwd: work })
    assert.equal((await server().api('GET', '/api/v3/repos/admin/made-by-push')).status, 200)
    await git.run(['clone', '-q', url, host.folder.join('made-by-push')])
  })

  it('is not made by asking for a push alone', async () => {
    const url = server().repositoryUrl('asked')
    await git.run(['push', '--dry-run', url, 'main'], { cwd: work, mayFail: true })
    assert.equal((await server().api('GET', '/api/v3/repos/admin/asked')).status, 404)
  })

  it('is not made under a name that can’t be', async () => {
    for (const name of ['bad%20name', '-', 'a'.repeat(200), '.git', 'x.git.git']) {
      const refused = await git.run(['push', server().repositoryUrl(name), 'main'], { cwd: work, mayFail: true })
      if (name === '-') continue // a lawful name on GitHub; only that the others are refused matters here
      assert.notEqual(refused.code, 0, name)
    }
  })

  it('is gone after DELETE', async () => {
    const url = await server().create('gone')
    await git.run(['push', '-q', url, 'main'], { cwd: work })
    assert.equal((await server().api('DELETE', '/api/v3/repos/admin/gone')).status, 204)
    const refused = await git.run(['ls-remote', url], { mayFail: true })
    assert.match(refused.stderr, /not found/)
  })
})
