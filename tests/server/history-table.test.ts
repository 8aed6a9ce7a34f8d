// History tables on the real server: made behind a push, used by fetches, gone with the repository.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeHistory } from '../support/history.ts'
import { type Host, openHost, onPeer } from '../support/host.ts'

let host: Host
before(async () => {
  host = await openHost('history-table')
})
after(async () => await host?.close())

const tables = () => host.server.bucketFiles().filter(({ path }) => path.includes('history/'))

async function until(what: string, check: () => boolean): Promise<void> {
  for (const end = performance.now() + 40_000; !check(); await sleep(100)) assert.ok(performance.now() < end, `not in time: ${what}`)
}

test('is made behind a push, and again when the network has outgrown it', { skip: onPeer && 'not on the peer' }, async () => {
  const { git } = host
  const work = makeHistory(700)
  const url = await host.create('grows')
  await git.run(['push', '-q', url, 'main~300:refs/heads/main'], { cwd: work })
  await until('the first table', () => tables().length === 1)
  const clone = host.folder.join('clone.git')
  await git.run(['clone', '-q', '--bare', '--single-branch', url, clone])
  await git.run(['push', '-q', url, 'main', '--tags'], { cwd: work })
  const first = tables()[0]?.path
  await git.run(['fetch', '-q', url, 'main:main', '--tags'], { cwd: clone })
  await until('the second table', () => tables().some(({ path }) => path !== first))
  const shallow = host.folder.join('shallow.git')
  await git.run(['clone', '-q', '--bare', '--depth', '30', url, shallow])
  await git.run(['fetch', '-q', '--unshallow'], { cwd: shallow })
  for (const copy of [clone, shallow]) {
    await git.run(['fsck', '--connectivity-only'], { cwd: copy })
    assert.equal(await git.read(['rev-parse', 'main'], { cwd: copy }), await git.read(['rev-parse', 'main'], { cwd: work }))
  }
  assert.doesNotMatch(host.server.output, /could not be (made|read)/)
})

test('goes with the repository', { skip: onPeer && 'not on the peer' }, async () => {
  const answer = await host.server.api('DELETE', '/api/v3/repos/admin/grows')
  assert.equal(answer.status, 204)
})
