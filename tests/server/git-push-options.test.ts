// Push options with the real git and by hand: offered as the settings say, kept with what was pushed.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type pg from 'pg'
import { openDatabase } from '../support/database.ts'
import type { Git } from '../support/git.ts'
import { type Host, onPeer, openHost, stemmaOnly } from '../support/host.ts'
import { stemmaStorage } from '../support/target.ts'
import { flush, pkt, push, zeroId } from '../support/wire.ts'

let host: Host
let git: Git
let work: string
let database: pg.Client | undefined

before(async () => {
  host = await openHost('push-options')
  git = host.git
  work = await git.makeRepository(host.folder.join('work'), 2)
  if (!onPeer) database = await openDatabase(host.server)
})
after(async () => {
  await database?.end()
  await host?.close()
})

async function lastPush(): Promise<Record<string, unknown>> {
  const row = await database?.query(`select payload from outbox where kind = 'push' order by id desc limit 1`)
  return row?.rows[0].payload
}

describe('push options', () => {
  it('are offered, and kept in the outbox in order', stemmaStorage, async () => {
    const url = await host.create('options')
    await git.run(['push', url, 'main'], { cwd: work })
    assert.equal('options' in (await lastPush()), false)
    await git.run(['push', '-o', 'asdf', '-o', 'more structured text', '-o', '"quoted"', '-o', 'ü', url, 'main:next'], { cwd: work })
    assert.deepEqual((await lastPush()).options, ['asdf', 'more structured text', '"quoted"', 'ü'])
  })

  it('come with a deletion, too', stemmaStorage, async () => {
    const url = await host.create('deletion')
    await git.run(['push', '-q', url, 'main', 'main:side'], { cwd: work })
    await git.run(['push', '-q', '-o', 'why', url, ':side'], { cwd: work })
    assert.deepEqual((await lastPush()).options, ['why'])
  })

  it('are refused by the client where the settings don’t offer them', stemmaOnly, async () => {
    const url = await host.create('none')
    await host.configure('none', { 'receive.advertisePushOptions': false })
    const refused = await git.run(['push', '-o', 'ci.skip', url, 'main'], { cwd: work, mayFail: true })
    assert.notEqual(refused.code, 0)
    assert.match(refused.stderr, /the receiving end does not support push options/)
    await git.run(['push', '-q', url, 'main'], { cwd: work })
  })

  it('have limits', stemmaOnly, async () => {
    const url = await host.create('limits')
    await git.run(['push', '-q', url, 'main', 'main:side'], { cwd: work })
    const old = await git.read(['rev-parse', 'main'], { cwd: work })
    const command = pkt(`${old} ${zeroId} refs/heads/side\0 report-status push-options`)
    const tooMany = Array.from({ length: 1001 }, () => pkt('x'))
    for (const options of [tooMany, [pkt('x'.repeat(2000))]]) {
      const answer = await push(url, [], Buffer.alloc(0), { body: Buffer.concat([command, flush, ...options, flush]) })
      assert.equal(answer.status, 200)
      assert.match(answer.body.toString(), /ERR too many or too long push options/)
    }
    const answer = await push(url, [], Buffer.alloc(0), {
      capabilities: 'report-status',
      body: Buffer.concat([command, flush, ...tooMany.slice(1), flush]),
    })
    assert.equal(answer.refs.get('refs/heads/side'), 'ok', answer.body.toString())
  })

  it('that never end are no push', stemmaOnly, async () => {
    const url = await host.create('endless')
    const body = Buffer.concat([pkt(`${zeroId} ${'1'.repeat(40)} refs/heads/x\0 report-status push-options`), flush, pkt('x')])
    const answer = await push(url, [], Buffer.alloc(0), { body })
    assert.equal(answer.status, 400)
    assert.match(answer.body.toString(), /hung up unexpectedly/)
  })
})
