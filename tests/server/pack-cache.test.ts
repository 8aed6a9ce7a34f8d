// Packs that several clients share: the same objects for each, and never for one who may not have them.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { contentOf, type Git } from '../support/git.ts'
import { type Host, openHost } from '../support/host.ts'

let host: Host
let git: Git
let work: string

before(async () => {
  host = await openHost('pack-cache')
  git = host.git
  work = await git.makeRepository(host.folder.join('work'), 30)
})
after(async () => await host?.close())

async function fetchId(url: string, id: string, name: string): Promise<{ code: number | null; stderr: string }> {
  const copy = host.folder.join(name)
  await git.run(['init', '-q', '--bare', copy])
  return git.run(['fetch', '-q', '--depth', '2', url, id], { cwd: copy, mayFail: true })
}

describe('packs that are kept', () => {
  it('serves many clients at once, and one afterwards, with the same objects', async () => {
    const url = await host.create('many')
    await git.run(['push', '-q', url, 'main', 'main~4:refs/heads/side'], { cwd: work })
    for (const [n, args] of [['--depth=1'], ['--depth=3', '--no-single-branch'], ['--single-branch', '--branch=side'], []].entries()) {
      const copies = Array.from({ length: 6 }, (_, i) => host.folder.join(`many-${n}-${i}.git`))
      await Promise.all(copies.map((copy) => git.run(['clone', '-q', '--bare', ...args, url, copy])))
      copies.push(host.folder.join(`many-${n}-late.git`))
      await git.run(['clone', '-q', '--bare', ...args, url, copies.at(-1) as string])
      const first = await contentOf(git, copies[0] as string)
      for (const copy of copies) {
        await git.run(['fsck', '--strict'], { cwd: copy })
        assert.deepEqual(await contentOf(git, copy), first)
      }
    }
  })

  it('asks again whether the refs reach it: a commit whose branch is gone is refused though its pack is kept', async () => {
    const url = await host.create('reach')
    const tip = await git.read(['rev-parse', 'main'], { cwd: work })
    await git.run(['push', '-q', url, 'main', 'main~5:refs/heads/old'], { cwd: work })
    assert.equal((await fetchId(url, tip, 'reach-1')).code, 0)
    assert.equal((await fetchId(url, tip, 'reach-2')).code, 0)
    await git.run(['push', '-q', '--force', url, 'main~5:refs/heads/main'], { cwd: work })
    const refused = await fetchId(url, tip, 'reach-3')
    assert.notEqual(refused.code, 0)
    assert.match(refused.stderr, /not our ref/)
  })

  it('keeps repositories apart: what one has made, another that lacks the commit does not serve', async () => {
    const open = await host.create('apart-open')
    const closed = await host.create('apart-closed')
    const tip = await git.read(['rev-parse', 'main'], { cwd: work })
    await git.run(['push', '-q', closed, 'main'], { cwd: work })
    await git.run(['push', '-q', open, 'main~3:refs/heads/main'], { cwd: work })
    assert.equal((await fetchId(closed, tip, 'apart-1')).code, 0)
    assert.match((await fetchId(open, tip, 'apart-2')).stderr, /not our ref/)
    const same = await git.read(['rev-parse', 'main~3'], { cwd: work })
    assert.equal((await fetchId(closed, same, 'apart-3')).code, 0)
    assert.equal((await fetchId(open, same, 'apart-4')).code, 0)
  })

  it('serves what was pushed in between', async () => {
    const url = await host.create('between')
    const copy = host.folder.join('between.git')
    await git.run(['push', '-q', url, 'main~2:refs/heads/main'], { cwd: work })
    await git.run(['clone', '-q', '--bare', url, copy])
    await git.run(['push', '-q', url, 'main'], { cwd: work })
    const later = host.folder.join('between-later.git')
    await git.run(['clone', '-q', '--bare', url, later])
    assert.equal(await git.read(['rev-parse', 'main'], { cwd: later }), await git.read(['rev-parse', 'main'], { cwd: work }))
    await git.run(['fsck', '--strict'], { cwd: later })
  })
})
