// What git's own client shows its user when a push or a fetch is over one of the server's limits: a reason, and no bare HTTP status.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import type { Git } from '../support/git.ts'
import { type Host, onPeer, openHost, stemmaOnly } from '../support/host.ts'

const limits = { STEMMA_LIMITS_REFS_PER_PUSH: '3', STEMMA_LIMITS_PACK_BYTES: '100KiB', STEMMA_LIMITS_REQUEST_BYTES: '700' }
let host: Host
let git: Git
let work: string

before(async () => {
  if (onPeer) return
  host = await openHost('limits', limits)
  git = host.git
  work = await git.makeRepository(host.folder.join('work'), 30)
})
after(async () => await host?.close())

async function refused(args: readonly string[], cwd = work): Promise<string> {
  const { code, stderr } = await git.run(args, { cwd, mayFail: true })
  assert.notEqual(code, 0, stderr)
  assert.doesNotMatch(stderr, /HTTP 4|RPC failed/, stderr)
  return stderr
}

const branches = (count: number): string[] => Array.from({ length: count }, (_, n) => `main~${n}:refs/heads/b${n}`)

describe('limits, as git shows them', stemmaOnly, () => {
  it('more refs in one push than are allowed: the reason, and nothing moves', async () => {
    const url = await host.create('refs')
    assert.match(await refused(['push', url, ...branches(4)]), /remote error: at most 3 refs can be pushed at once/)
    assert.equal(await git.read(['ls-remote', url], { cwd: work }), '')
    const atomic = await refused(['push', '--atomic', '--quiet', url, ...branches(4)])
    assert.match(atomic, /remote error: at most 3 refs can be pushed at once/)
    await git.run(['push', '-q', url, ...branches(3)], { cwd: work })
    const deletions = await refused(['push', url, ':b0', ':b1', ':b2', 'main~1:refs/heads/b3'])
    assert.match(deletions, /at most 3 refs/)
    assert.equal((await git.read(['ls-remote', '--heads', url], { cwd: work })).split('\n').length, 3)
  })

  it('push options that are too long', async () => {
    const url = await host.create('options')
    assert.match(await refused(['push', '-o', 'x'.repeat(3000), url, 'main']), /remote error: too many or too long push options/)
  })

  it('a pack that is too large', async () => {
    const url = await host.create('pack')
    const big = host.folder.join('big')
    await git.makeRepository(big, 1)
    await git.run(['config', 'core.compression', '0'], { cwd: big })
    writeFileSync(`${big}/large`, Buffer.alloc(300_000, 'abc'))
    await git.run(['add', '.'], { cwd: big })
    await git.run(['commit', '-q', '-m', 'large'], { cwd: big })
    assert.match(await refused(['push', url, 'main'], big), /maximum allowed size|larger than/)
  })

  it('a fetch that asks for more than a request may hold', async () => {
    const url = await host.create('wants')
    for (let n = 0; n < 30; n += 3) {
      const some = [n, n + 1, n + 2].map((back) => `main~${back}:refs/heads/w${back}`)
      await git.run(['push', '-q', url, ...some], { cwd: work })
    }
    const copy = host.folder.join('copy.git')
    assert.equal((await git.read(['ls-remote', url], { cwd: work })).split('\n').length, 31)
    assert.match(await refused(['clone', '-q', '--mirror', url, copy], host.folder.join('.')), /remote error: .*larger than 700 bytes/)
  })
})
