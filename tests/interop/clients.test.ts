// Every Git client that people use through a library or another implementation: clone, fetch and push of a private repository.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Git } from '../support/git.ts'
import { type Host, openHost, onPeer } from '../support/host.ts'
import { seededBytes } from '../support/random.ts'
import { gitClient, isomorphicClient, jgitClient, pythonClient } from './clients.ts'

let host: Host
let git: Git
let work: string
let url: string
const login = { username: 'admin', password: '' }

before(async () => {
  host = await openHost('interop')
  git = host.git
  work = await git.makeRepository(host.folder.join('work'), 40)
  await git.commit(work, { 'noise.bin': seededBytes('interop', 600_000), 'ünïcode.txt': 'ü\n' }, 'noise')
  await git.run(['tag', '-a', '-m', 'one', 'v1'], { cwd: work })
  const made = await host.create('interop')
  url = onPeer ? made : host.server.repositoryUrl('interop', '')
  login.password = onPeer ? 'none' : host.server.token
  if (!onPeer) assert.equal((await host.server.api('PATCH', '/api/v3/repos/admin/interop', { private: true })).status, 200)
  await git.run(['push', '-q', made, 'main', 'v1'], { cwd: work })
})
after(async () => await host?.close())

const clients = () => [
  gitClient(git, '0'),
  gitClient(git, '1'),
  gitClient(git, '2'),
  jgitClient(git),
  pythonClient(git, 'dulwich'),
  pythonClient(git, 'pygit2'),
  isomorphicClient(),
]
const names = ['git-v0', 'git-v1', 'git-v2', 'jgit', 'dulwich', 'pygit2', 'isomorphic']

for (const [n, name] of names.entries()) {
  describe(name, () => {
    it('clones, fetches and pushes', async (context) => {
      const client = clients()[n]
      assert.ok(client !== undefined && client.name === name)
      const version = await client.version()
      assert.notEqual(version, null, `${name} is not installed: run tests/interop/install.sh`)
      context.diagnostic(`${name} ${version}, protocol ${client.protocol}`)

      const copy = host.folder.join(`copy-${name}`)
      await client.clone(url, copy, login)
      const tip = await git.read(['rev-parse', 'main'], { cwd: work })
      assert.equal(await git.read(['rev-parse', 'HEAD'], { cwd: copy }), tip)
      await git.run(['fsck', '--strict'], { cwd: copy })
      assert.equal(
        await git.read(['rev-list', '--count', 'HEAD'], { cwd: copy }),
        await git.read(['rev-list', '--count', 'main'], { cwd: work }),
      )

      const later = await git.commit(work, { [`later-${name}.txt`]: `${name}\n` }, `later ${name}`)
      const pushUrl = onPeer ? url : host.server.repositoryUrl('interop')
      await git.run(['push', '-q', pushUrl, 'main'], { cwd: work })
      await client.fetch(url, copy, login)
      assert.equal(await git.read(['rev-parse', 'refs/heads/fetched'], { cwd: copy }), later)

      const mine = await git.commit(copy, { [`from-${name}.txt`]: 'mine\n', 'noise.bin': seededBytes(name, 300_000) }, `from ${name}`)
      await client.push(url, copy, login)
      const listed = await git.read(['ls-remote', pushUrl, `refs/heads/from-${name}`])
      assert.equal(listed.split('\t')[0], mine)

      const proof = host.folder.join(`proof-${name}.git`)
      await git.run(['clone', '-q', '--mirror', pushUrl, proof])
      await git.run(['fsck', '--strict'], { cwd: proof })
    })

    it('is refused with a wrong token', { skip: onPeer ? 'the peer asks for none' : false }, async () => {
      const client = clients()[n]
      assert.ok(client !== undefined)
      await assert.rejects(client.clone(url, host.folder.join(`refused-${name}`), { username: 'admin', password: 'wrong' }))
    })
  })
}
