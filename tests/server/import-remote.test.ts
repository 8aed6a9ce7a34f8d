// `stemma import` from URLs: a Stemma in both protocol versions, and git http-backend; incremental, through redirects, with secrets that stay
// secret, and through breaks.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { stemma } from '../support/command.ts'
import { openFront } from '../support/front.ts'
import { contentOf } from '../support/git.ts'
import { type Host, openHost, stemmaOnly } from '../support/host.ts'
import { isPeerInstalled, Peer } from '../support/peer.ts'
import { Server } from '../support/server.ts'
import { flush, pkt } from '../support/wire.ts'

let host: Host
let elsewhere: Server
before(async () => {
  if (stemmaOnly.skip !== undefined) return
  host = await openHost('import-remote')
  elsewhere = await Server.start({ data: host.folder.join('elsewhere') })
})
after(async () => {
  await elsewhere?.stop()
  await host?.close()
})

async function importJson(url: string, name: string, ...args: readonly string[]) {
  const done = await stemma(['import', url, '--name', name, ...args, '--data', host.server.data, '--json'])
  assert.equal(`${done.stdout}${done.stderr}`.includes(elsewhere.token), false, 'the secret was printed')
  assert.notEqual(done.stdout, '', `the command ended with ${done.code} and said nothing but: ${done.stderr}`)
  return { ...done, result: JSON.parse(done.stdout.split('\n')[0] ?? '') }
}

async function assertSame(name: string, source: string): Promise<void> {
  const clone = host.folder.join(`clone-${randomBytes(4).toString('hex')}.git`)
  await host.git.run(['clone', '-q', '--mirror', host.server.repositoryUrl(name), clone])
  await host.git.run(['fsck', '--full', '--strict'], { cwd: clone })
  assert.deepEqual(await contentOf(host.git, clone), await contentOf(host.git, source))
}

/** A repository with branches, tags of both kinds and deltas. */
async function makeSource(name: string, initArgs: readonly string[] = []): Promise<string> {
  const path = await host.git.makeRepository(host.folder.join(name), 30, initArgs)
  await host.git.run(['tag', '-a', 'v1', '-m', 'tag', 'HEAD~2'], { cwd: path })
  await host.git.run(['tag', 'light', 'HEAD~5'], { cwd: path })
  await host.git.run(['branch', 'side/way', 'HEAD~7'], { cwd: path })
  return path
}

async function push(source: string, url: string): Promise<void> {
  await host.git.run(['push', '-q', '--mirror', url], { cwd: source })
}

test('from a Stemma, in version 2 and in version 0; then what is new', stemmaOnly, async () => {
  const source = await makeSource('plain')
  const url = await elsewhere.create('plain')
  await push(source, url)
  const old = await openFront(elsewhere.url, (incoming) => {
    delete incoming.headers['git-protocol']
  })
  const oldUrl = url.replace(elsewhere.url.slice('http://'.length), old.url.slice('http://'.length))
  try {
    for (const [name, from] of [
      ['v2', url],
      ['v0', oldUrl],
    ] as const) {
      const first = await importJson(from, name)
      assert.equal(first.result.outcome, 'imported', JSON.stringify(first.result))
      assert.equal(first.result.source.includes('@'), false)
      await assertSame(name, source)
      assert.equal((await importJson(from, name)).result.outcome, 'present')
    }
    await host.git.commit(source, { 'file-1.txt': 'new\n' })
    await host.git.run(['branch', '-D', 'side/way'], { cwd: source })
    await push(source, url)
    for (const [name, from] of [
      ['v2', url],
      ['v0', oldUrl],
    ] as const) {
      const updated = await importJson(from, name)
      assert.equal(updated.result.outcome, 'updated', JSON.stringify(updated.result))
      assert.ok(updated.result.packBytes < 3000, `${updated.result.packBytes} bytes came for one commit`)
      await assertSame(name, source)
    }
  } finally {
    await old.close()
  }
})

test('sha256, an empty repository, and the name from the URL', stemmaOnly, async () => {
  const source = await makeSource('sha256', ['--object-format=sha256'])
  await push(source, await elsewhere.create('sha256', { object_format: 'sha256' }))
  assert.equal((await importJson(elsewhere.repositoryUrl('sha256'), 'sha256')).result.outcome, 'imported')
  await assertSame('sha256', source)
  await elsewhere.create('nothing')
  const { stdout } = await stemma(['import', elsewhere.repositoryUrl('nothing'), '--data', host.server.data])
  assert.match(stdout, /^imported\tadmin\/nothing\t0 refs, 0 objects/)
})

const peerOnly = stemmaOnly.skip === undefined && isPeerInstalled() ? {} : { skip: 'needs Debian’s apache2 and git' }
test('from git http-backend', peerOnly, async () => {
  const peer = await Peer.start(host.folder)
  try {
    const source = await makeSource('for-peer')
    await peer.create('peer')
    await push(source, peer.repositoryUrl('peer'))
    assert.equal((await importJson(peer.repositoryUrl('peer'), 'from-peer')).result.outcome, 'imported')
    await assertSame('from-peer', source)
    await host.git.commit(source, { 'file-2.txt': 'newer\n' })
    await push(source, peer.repositoryUrl('peer'))
    const updated = await importJson(peer.repositoryUrl('peer'), 'from-peer')
    assert.equal(updated.result.outcome, 'updated')
    assert.ok(updated.result.packBytes < 3000, `${updated.result.packBytes} bytes came for one commit`)
    await assertSame('from-peer', source)
    assert.match((await importJson(peer.repositoryUrl('none'), 'none')).result.error.message, /repository not found/)
  } finally {
    await peer.stop()
  }
})

test('secrets: from a file, refused when wrong, never printed, not sent to where it redirects', stemmaOnly, async () => {
  const source = await makeSource('secret')
  await push(source, await elsewhere.create('secret', { private: true }))
  const file = host.folder.join('token')
  const bare = elsewhere.repositoryUrl('secret', '')
  assert.match((await importJson(bare, 's1')).result.error.message, /access denied \(401; no credentials were given\)/)
  writeFileSync(file, 'wrong-secret-0123456789\n')
  const wrong = await importJson(bare, 's1', '--token-file', file)
  assert.match(wrong.result.error.message, /access denied \(401; the credentials were refused\)/)
  assert.equal(`${wrong.stdout}${wrong.stderr}`.includes('wrong-secret'), false)
  for (const content of [elsewhere.token, `anybody:${elsewhere.token}\n`]) {
    writeFileSync(file, content)
    assert.notEqual((await importJson(bare, 's1', '--token-file', file)).result.outcome, 'failed')
  }
  await assertSame('s1', source)
  const front = await openFront('http://127.0.0.1:1', (incoming, outgoing) => {
    outgoing.writeHead(302, { location: `${elsewhere.url}${incoming.url}` })
    outgoing.end()
    return true
  })
  try {
    const moved = await importJson(`${front.url}/admin/secret.git`, 's2', '--token-file', file)
    assert.match(moved.result.error.message, /access denied \(401; no credentials were given\)/)
    assert.equal((await importJson(`${front.url}/admin/plain.git`, 's3')).result.outcome, 'imported', 'a public one is followed to')
  } finally {
    await front.close()
  }
})

test('a server that breaks off in the middle leaves nothing, and the next run is whole', stemmaOnly, async () => {
  const source = await makeSource('broken')
  writeFileSync(`${source}/big`, randomBytes(4 << 20))
  await host.git.commit(source, {})
  const url = await elsewhere.create('broken')
  await push(source, url)
  let breaks = true
  const front = await openFront(elsewhere.url, (incoming, outgoing) => {
    if (!breaks || incoming.method !== 'POST') return
    let sent = 0
    const write = outgoing.write.bind(outgoing) as (chunk: Uint8Array) => boolean
    outgoing.write = ((chunk: Uint8Array) => {
      sent += chunk.length
      if (sent > 1 << 20) outgoing.destroy()
      return write(chunk)
    }) as typeof outgoing.write
  })
  const through = url.replace(elsewhere.url.slice('http://'.length), front.url.slice('http://'.length))
  try {
    const before = host.server.bucketFiles()
    const broken = await importJson(through, 'broken')
    assert.equal(broken.code, 1)
    assert.match(broken.result.error.message, /cannot reach http:\/\/127\.0\.0\.1:\d+\/admin\/broken\.git|hung up|early EOF/)
    assert.deepEqual(host.server.bucketFiles(), before)
    breaks = false
    assert.equal((await importJson(through, 'broken')).result.outcome, 'imported')
    await assertSame('broken', source)
  } finally {
    await front.close()
  }
})

test('a server that sends what is no pack, and goes on sending it, is not heard out', stemmaOnly, async () => {
  const oid = 'ab'.repeat(20)
  const advertisement = ['version 2\n', 'ls-refs\n', 'fetch\n'].map((line) => pkt(line))
  const evil = createServer((request, response) => {
    const kind = request.method === 'GET' ? 'advertisement' : 'result'
    response.writeHead(200, { 'content-type': `application/x-git-upload-pack-${kind}` })
    if (request.method === 'GET') {
      response.end(Buffer.concat([...advertisement, flush]))
      return
    }
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      if (Buffer.concat(parts).includes('ls-refs')) {
        response.end(Buffer.concat([pkt(`${oid} refs/heads/main\n`), flush]))
        return
      }
      response.write(Buffer.concat([pkt('packfile\n'), pkt(Buffer.from('\x01PACK\0\0\0\x02\x7f\0\0\0', 'latin1'))]))
      const noise = pkt(Buffer.concat([Buffer.from([1]), randomBytes(60_000)]))
      const go = () => {
        while (!response.destroyed && response.write(noise));
      }
      response.on('drain', go)
      go()
    })
  })
  await new Promise<void>((resolve) => evil.listen(0, '127.0.0.1', resolve))
  try {
    const { port } = evil.address() as AddressInfo
    const { code, result } = await importJson(`http://127.0.0.1:${port}/a/b.git`, 'evil')
    assert.equal(code, 1)
    assert.match(JSON.stringify(result), /pack holds 2130706432 objects; at most/)
  } finally {
    evil.close()
    evil.closeAllConnections()
  }
})

test('what is not fetched from is refused before anything is done', stemmaOnly, async () => {
  for (const url of ['ssh://git@example.com/x.git', 'git@example.com:x.git', 'git://example.com/x', 'https://example.com/x?y=1']) {
    const { code, stderr } = await stemma(['import', url, '--data', host.server.data])
    assert.equal(code, 1)
    assert.match(stderr, /^stemma: [^\n]+\n$/)
  }
})
