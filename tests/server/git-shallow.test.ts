// Shallow clones by the real git, in each protocol version: cut, deepened, made whole again, and what makes no sense refused.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { command, refusalOf, sectionsOf } from '../support/fetch-wire.ts'
import type { Git } from '../support/git.ts'
import { type Host, openHost, stemmaOnly } from '../support/host.ts'

let host: Host
let git: Git
let work: string
let url: string
let next = 0

before(async () => {
  host = await openHost('shallow')
  git = host.git
  work = await git.makeRepository(host.folder.join('work'), 20)
  await git.run(['switch', '-q', '-c', 'side', 'main~8'], { cwd: work })
  await git.commit(work, { 'side.txt': 'side\n' }, 'side')
  await git.run(['commit', '-q', '--amend', '--no-edit'], { cwd: work, env: { GIT_COMMITTER_DATE: '1700000030 +0000' } })
  await git.run(['switch', '-q', 'main'], { cwd: work })
  await git.run(['merge', '-q', '--no-ff', '-m', 'merge', 'side'], { cwd: work, env: { GIT_COMMITTER_DATE: '1700000040 +0000' } })
  await git.run(['tag', '-a', '-m', 'annotated', 'v1', 'main~4'], { cwd: work })
  await git.run(['tag', 'light', 'main~6'], { cwd: work })
  await git.run(['branch', 'light', 'main~2'], { cwd: work })
  await git.run(['branch', 'old', 'main~12'], { cwd: work })
  url = await host.create('shallow')
  await git.run(['push', '-q', url, 'main', 'side', 'old', '--tags'], { cwd: work })
})
after(async () => await host?.close())

const target = () => host.folder.join(`clone-${next++}`)
const id = async (name: string): Promise<string> => await git.read(['rev-parse', name], { cwd: work })
const commits = async (cwd: string, ...args: string[]) => (await git.read(['rev-list', ...args], { cwd })).split('\n').toSorted()

async function assertSound(clone: string): Promise<void> {
  await git.run(['fsck', '--strict', '--no-dangling'], { cwd: clone })
}

for (const version of [0, 1, 2]) {
  describe(`version ${version}`, () => {
    const run = async (args: readonly string[], cwd?: string) =>
      await git.run(['-c', `protocol.version=${version}`, ...args], cwd === undefined ? {} : { cwd })

    it('a clone is cut off, deepened by commits, by more commits, and made whole', async () => {
      const clone = target()
      await run(['clone', '-q', '--depth', '1', url, clone])
      assert.deepEqual(await commits(clone, 'HEAD'), [await id('main')])
      await run(['fetch', '-q', '--depth', '4'], clone)
      assert.equal(await git.read(['rev-list', '--count', '--first-parent', 'HEAD'], { cwd: clone }), '4')
      await run(['fetch', '-q', '--deepen', '3'], clone)
      assert.equal(await git.read(['rev-list', '--count', '--first-parent', 'HEAD'], { cwd: clone }), '7')
      await assertSound(clone)
      await run(['fetch', '-q', '--unshallow'], clone)
      assert.deepEqual(await commits(clone, 'HEAD'), await commits(work, 'main'))
      await assertSound(clone)
    })

    it('a clone is cut off by date, and by what a ref reaches', async () => {
      for (const limit of ['--shallow-since=1700000015 +0000', '--shallow-exclude=old', '--shallow-exclude=v1']) {
        const [mine, theirs] = [target(), target()]
        await run(['clone', '-q', limit, url, mine])
        await run(['clone', '-q', limit, `file://${work}`, theirs])
        assert.deepEqual(await commits(mine, '--all'), await commits(theirs, '--all'), limit)
        await assertSound(mine)
      }
    })

    it('what comes after is fetched into a cut history, tags with it', async () => {
      const clone = target()
      await run(['clone', '-q', '--depth', '2', '--single-branch', '--branch', 'old', url, clone])
      await run(['fetch', '-q', 'origin', 'main:refs/heads/main'], clone)
      assert.equal(await git.read(['rev-parse', 'main'], { cwd: clone }), await id('main'))
      assert.equal(await git.read(['rev-parse', 'v1'], { cwd: clone }), await id('v1'))
      await assertSound(clone)
    })

    it('a second fetch of nothing new moves no boundary', async () => {
      const clone = target()
      await run(['clone', '-q', '--depth', '3', url, clone])
      const before = await commits(clone, '--all')
      await run(['fetch', '-q', 'origin'], clone)
      await run(['fetch', '-q', '--depth', '3', 'origin', 'main'], clone)
      assert.deepEqual(await commits(clone, 'HEAD'), before)
      await assertSound(clone)
    })

    it('a limit that leaves nothing is refused', async () => {
      const { code, stderr } = await git.run(
        ['-c', `protocol.version=${version}`, 'clone', '-q', '--shallow-since=2000000000 +0000', url, target()],
        { mayFail: true },
      )
      assert.notEqual(code, 0)
      assert.match(stderr, /no commits selected for shallow requests|the remote end hung up/)
    })
  })
}

describe('by hand', stemmaOnly, () => {
  it('a name that may be two refs, one that is none, and limits at odds are refused in git words', async () => {
    const main = await id('main')
    const refusal = async (...args: string[]) => refusalOf(await command(url, 'fetch', [`want ${main}`, ...args, 'done']))
    await git.run(['push', '-q', url, 'light:refs/heads/light'], { cwd: work, mayFail: true })
    await git.run(['push', '-q', url, 'main~2:refs/heads/light'], { cwd: work })
    assert.equal(await refusal('deepen-not light'), 'git upload-pack: ambiguous deepen-not: deepen-not light')
    assert.equal(await refusal('deepen-not nobody'), 'git upload-pack: deepen-not is not a ref: deepen-not nobody')
    assert.equal(await refusal('deepen 0'), 'Invalid deepen: deepen 0')
    assert.equal(
      await refusal('deepen 1', 'deepen-since 1700000000'),
      'git upload-pack: deepen and deepen-since (or deepen-not) cannot be used together',
    )
  })

  it('a boundary that the client has keeps its commit, and tells when it is none any more', async () => {
    const [main, boundary] = [await id('main'), await id('main~1')]
    const { sections } = sectionsOf(
      await command(url, 'fetch', [`want ${main}`, `shallow ${boundary}`, 'deepen-relative', 'deepen 1', `have ${main}`, 'done']),
    )
    assert.deepEqual(sections.get('shallow-info'), [
      `shallow ${await id('main~2')}`,
      `shallow ${await id('side~1')}`,
      `unshallow ${boundary}`,
    ])
  })
})
