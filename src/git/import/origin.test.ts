// What an origin says it has, and what of that is believed.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openFront } from '../../../tests/support/front.ts'
import { temporaryFolder } from '../../../tests/support/pack-indexing.ts'
import { AllowedHosts } from '../../base/index.ts'
import { Outbound } from '../../http/index.ts'
import { encodePkt, flushPkt } from '../format/pkt-line.ts'
import { DiskOrigin } from './disk-origin.ts'
import { RemoteOrigin } from './remote-origin.ts'

const client = { agent: 'stemma/test', outbound: new Outbound({ allowed: new AllowedHosts(['127.0.0.0/8']) }) }
const oid = 'a'.repeat(40)
const good = 'refs/heads/trunk'
const bad = [oid, 'b'.repeat(64), 'HEAD', 'main', 'refs/heads', 'refs/heads/a..b', 'refs/heads/a\nb', `refs/heads/${'x'.repeat(60_000)}`]

async function headFrom(lines: (method: string) => string[]): Promise<string | null> {
  const front = await openFront('http://127.0.0.1:1', (incoming, outgoing) => {
    const kind = incoming.method === 'GET' ? 'advertisement' : 'result'
    outgoing.writeHead(200, { 'content-type': `application/x-git-upload-pack-${kind}` })
    outgoing.end(Buffer.concat([...lines(incoming.method ?? '').map((line) => encodePkt(line)), flushPkt]))
    return true
  })
  try {
    const remote = { url: `${front.url}/r.git`, authorization: null }
    return (await new RemoteOrigin(remote, client, new AbortController().signal).readState()).head
  } finally {
    await front.close()
  }
}

test('a server that says HEAD is no name of a ref is not believed: an id would make it point to any object', async () => {
  for (const head of [good, ...bad]) {
    const two = (method: string) =>
      method === 'GET' ? ['version 2\n', 'ls-refs=unborn\n', 'fetch\n'] : [`unborn HEAD symref-target:${head}\n`, `${oid} refs/heads/x\n`]
    assert.equal(await headFrom(two), head === good ? good : null, `version 2: ${head.slice(0, 80)}`)
    if (/\s/.test(head)) continue // a capability has none
    const zero = () => [`${oid} refs/heads/x\0symref=HEAD:${head} agent=x\n`]
    assert.equal(await headFrom(zero), head === good ? good : null, `version 0: ${head.slice(0, 80)}`)
  }
})

test('a HEAD on disk that names no ref is not believed either', async () => {
  const folder = join(temporaryFolder(), 'r.git')
  for (const name of ['objects', 'refs']) mkdirSync(join(folder, name), { recursive: true })
  for (const [head, kept] of [
    [good, good],
    ['refs/heads/.invalid', null],
    [`refs/heads/${'x'.repeat(2000)}`, null],
  ] as const) {
    writeFileSync(join(folder, 'HEAD'), `ref: ${head}\n`)
    assert.equal((await new DiskOrigin(folder).readState()).head, kept)
  }
})
