// Ten thousand refs in one push: made, moved, judged, listed, deleted; in memory and time that don't go with their number squared.
// The push is spoken by hand: git's own client compares each ref with each other before it sends anything, and takes minutes for that.
import assert from 'node:assert/strict'
import { after, before, describe, it, type TestContext } from 'node:test'
import type { Git } from '../support/git.ts'
import { type Host, openHost, stemmaOnly } from '../support/host.ts'
import { PackBuilder } from '../support/pack-builder.ts'
import { advertisedRefs, type PushReport, push, zeroId } from '../support/wire.ts'

const many = 10_000
let host: Host
let git: Git
let work: string
let commits: string[]
const emptyPack = new PackBuilder().build()

before(async () => {
  host = await openHost('push-many-refs')
  git = host.git
  work = await git.makeRepository(host.folder.join('work'), 60)
  commits = (await git.read(['rev-list', 'main'], { cwd: work })).split('\n')
})
after(async () => await host?.close())

const nameOf = (n: number) => `refs/heads/many/${n % 100}/branch-${n}`
/** What a branch points to at some time: the older, the further back. */
const at = (older: number, n: number) => commits[older + (n % 20)] as string
const nowhere = () => zeroId

async function move(
  url: string,
  from: (n: number) => string,
  to: (n: number) => string,
  context: TestContext,
  capabilities = 'report-status-v2 side-band-64k delete-refs',
): Promise<PushReport> {
  const commands = Array.from({ length: many }, (_, n) => ({ old: from(n), new: to(n), ref: nameOf(n) }))
  const before = host.kind === 'stemma' ? host.server.cpu().serverMs : null
  const report = await push(url, commands, to(0) === zeroId ? Buffer.alloc(0) : emptyPack, { capabilities, timeoutMs: 180_000 })
  if (before !== null) context.diagnostic(`server ${Math.round(host.server.cpu().serverMs - before)} ms of CPU`)
  assert.equal(report.refs.size, many, report.text)
  return report
}

const verdicts = (report: PushReport) => [...new Set(report.refs.values())]

describe('ten thousand refs in one push', () => {
  it('are made, moved, listed, and deleted', async (context) => {
    const url = await host.create('many')
    await git.run(['push', '-q', url, 'main'], { cwd: work })
    if (host.kind === 'stemma') host.server.resetPeak()
    assert.deepEqual(verdicts(await move(url, nowhere, (n) => at(20, n), context)), ['ok'])
    const atomic = 'report-status side-band-64k atomic'
    assert.deepEqual(
      verdicts(
        await move(
          url,
          (n) => at(20, n),
          (n) => at(0, n),
          context,
          atomic,
        ),
      ),
      ['ok'],
    )
    const refs = await advertisedRefs(url)
    assert.equal(refs.size, many + 1)
    for (const n of [0, 1, 4999, many - 1]) assert.equal(refs.get(nameOf(n)), at(0, n))
    const listed = await git.read(['ls-remote', '--heads', url])
    assert.equal(listed.split('\n').length, many + 1)
    assert.deepEqual(verdicts(await move(url, (n) => at(0, n), nowhere, context)), ['ok'])
    assert.deepEqual([...(await advertisedRefs(url)).keys()], ['refs/heads/main'])
    if (host.kind === 'stemma') {
      const peakMib = host.server.memory().peakBytes / 2 ** 20
      context.diagnostic(`peak ${peakMib.toFixed(0)} MiB`)
      assert.ok(peakMib < 700, `peak ${peakMib.toFixed(0)} MiB`)
    }
  })

  it('are each judged where forced updates are denied', stemmaOnly, async (context) => {
    const url = await host.create('judged')
    await git.run(['push', '-q', url, 'main'], { cwd: work })
    await move(url, nowhere, (n) => at(20, n), context)
    await host.configure('judged', { 'receive.denyNonFastForwards': true })
    assert.deepEqual(
      verdicts(
        await move(
          url,
          (n) => at(20, n),
          (n) => at(0, n),
          context,
        ),
      ),
      ['ok'],
    )
    assert.deepEqual(
      verdicts(
        await move(
          url,
          (n) => at(0, n),
          (n) => at(20, n),
          context,
        ),
      ),
      ['non-fast-forward'],
    )
    const mixed = await move(
      url,
      (n) => at(0, n),
      (n) => (n % 2 === 0 ? at(20, n) : (commits[0] as string)),
      context,
    )
    assert.equal([...mixed.refs.values()].filter((verdict) => verdict === 'ok').length, many / 2)
  })

  it('one of which is stale move all the others, or none', stemmaOnly, async (context) => {
    const url = await host.create('stale')
    await git.run(['push', '-q', url, 'main'], { cwd: work })
    await move(url, nowhere, (n) => at(20, n), context)
    const stale = (n: number) => (n === 77 ? at(0, n) : at(20, n))
    const none = await move(url, stale, (n) => at(0, n), context, 'report-status side-band-64k atomic')
    assert.deepEqual(verdicts(none), ['atomic transaction failed'])
    const others = await move(url, stale, (n) => at(0, n), context)
    assert.equal(others.refs.get(nameOf(77)), 'incorrect old value provided')
    assert.equal([...others.refs.values()].filter((verdict) => verdict === 'ok').length, many - 1)
  })
})
