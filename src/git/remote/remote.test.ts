// The Git client: URLs and their secrets, advertisements of every version, servers that say no, talk nonsense, redirect or say nothing.
import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { afterEach, test } from 'node:test'
import fc from 'fast-check'
import { openFront } from '../../../tests/support/front.ts'
import { AllowedHosts, concatBytes, InputError, UnavailableError } from '../../base/index.ts'
import { Outbound } from '../../http/index.ts'
import type { ObjectId } from '../format/object-id.ts'
import { encodeBand, encodePkt, flushPkt } from '../format/pkt-line.ts'
import { fetchPack, parsePlace, parseRemoteUrl, pushPack, readRemote, RemoteHttp, withToken } from './index.ts'

const oid = 'a'.repeat(40) as ObjectId
const other = 'b'.repeat(40) as ObjectId
const client = { agent: 'stemma/test', outbound: new Outbound({ allowed: new AllowedHosts(['127.0.0.0/8']) }) }
const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

type Answer = (incoming: IncomingMessage, outgoing: ServerResponse) => void

/** A client of a server that answers so. */
async function clientOf(answer: Answer, idleMs = 5000): Promise<RemoteHttp> {
  const front = await openFront('http://127.0.0.1:1', (incoming, outgoing) => {
    answer(incoming, outgoing)
    return true
  })
  closing.push(() => front.close())
  return new RemoteHttp({
    remote: parseRemoteUrl(`${front.url}/r.git`),
    client,
    idleMs,
    signal: new AbortController().signal,
  })
}

const advertised = 'application/x-git-upload-pack-advertisement'
const lines = (...texts: string[]) => concatBytes([...texts.map((text) => encodePkt(text)), flushPkt])
const sends =
  (type: string, bytes: Uint8Array): Answer =>
  (_, outgoing) => {
    outgoing.writeHead(200, { 'content-type': type })
    outgoing.end(bytes)
  }
const read = (http: RemoteHttp) => readRemote(http, 'git-upload-pack', 'stemma/test')

test('places: folders, URLs, and what is refused', () => {
  assert.deepEqual(parsePlace('/a/b'), { folder: '/a/b' })
  assert.deepEqual(parsePlace('file:///a/b%20c'), { folder: '/a/b c' })
  assert.ok('folder' in parsePlace('./host:path'))
  assert.deepEqual(parsePlace('https://example.com/a.git/'), { remote: { url: 'https://example.com/a.git', authorization: null } })
  for (const text of ['ssh://host/x', 'git@host:x/y.git', 'host:x.git']) assert.throws(() => parsePlace(text), /ssh is not spoken here/)
  for (const text of ['git://host/x', 'ftp://host/x', 'ext::sh']) assert.throws(() => parsePlace(text), { code: 'remote-url' })
  assert.throws(() => parsePlace('https://example.com/a?b'), { code: 'remote-url' })
})

test('secrets leave the URL, and no message holds them', () => {
  const remote = parseRemoteUrl('https://us%40er:p%3Ass@example.com/a')
  assert.equal(remote.url, 'https://example.com/a')
  assert.equal(remote.authorization, `Basic ${Buffer.from('us@er:p:ss').toString('base64')}`)
  assert.equal(withToken(remote, 'tok').authorization, `Basic ${Buffer.from('x-access-token:tok').toString('base64')}`)
  assert.equal(withToken(remote, 'me:tok').authorization, `Basic ${Buffer.from('me:tok').toString('base64')}`)
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z0-9]{8,20}$/), fc.string(), (secret, rest) => {
      try {
        assert.equal(parseRemoteUrl(`https://u:${secret}@h/${rest}`).url.includes(`:${secret}@`), false)
      } catch (error) {
        assert.ok(error instanceof InputError && !error.message.includes(secret), String(error))
      }
    }),
  )
})

test('version 0: refs, peeled tags, HEAD and what the server can', async () => {
  const head = `${oid} HEAD\0multi_ack symref=HEAD:refs/heads/main object-format=sha1 agent=git/2`
  const body = concatBytes([
    lines('# service=git-upload-pack\n'),
    lines(head, `${oid} refs/heads/main\n`, `${other} refs/tags/v1\n`, `${oid} refs/tags/v1^{}\n`),
  ])
  const state = await read(await clientOf(sends(advertised, body)))
  assert.deepEqual(
    { version: state.version, head: state.head, headOid: state.headOid, refs: state.refs, isShallow: state.isShallow },
    {
      version: 0,
      head: 'refs/heads/main',
      headOid: oid,
      refs: [
        { oid, name: 'refs/heads/main' },
        { oid: other, name: 'refs/tags/v1' },
      ],
      isShallow: false,
    },
  )
})

test('an empty repository, a shallow one, version 1, and a server that leaves the comment out', async () => {
  const empty = concatBytes([lines('# service=git-upload-pack\n'), lines(`${'0'.repeat(40)} capabilities^{}\0agent=git/2`)])
  assert.deepEqual((await read(await clientOf(sends(advertised, empty)))).refs, [])
  const shallow = lines(`${oid} refs/heads/main\0agent=x\n`, `shallow ${oid}\n`)
  assert.equal((await read(await clientOf(sends(advertised, shallow)))).isShallow, true)
  const one = concatBytes([lines('# service=git-upload-pack\n'), lines('version 1\n', `${oid} refs/heads/main\0agent=x\n`)])
  assert.equal((await read(await clientOf(sends(advertised, one)))).version, 1)
})

test('version 2: ls-refs, an unborn HEAD', async () => {
  const http = await clientOf((incoming, outgoing) => {
    if (incoming.method === 'GET')
      sends(advertised, lines('version 2\n', 'ls-refs=unborn\n', 'fetch\n', 'object-format=sha1\n'))(incoming, outgoing)
    else
      sends('application/x-git-upload-pack-result', lines('unborn HEAD symref-target:refs/heads/trunk\n', `${oid} refs/tags/x\n`))(
        incoming,
        outgoing,
      )
  })
  const state = await read(http)
  assert.deepEqual([state.head, state.headOid, state.refs], ['refs/heads/trunk', null, [{ oid, name: 'refs/tags/x' }]])
})

test('servers that say no: in one line, by family', async () => {
  const status =
    (code: number, text = '', type = 'text/plain'): Answer =>
    (_, outgoing) => {
      outgoing.writeHead(code, { 'content-type': type })
      outgoing.end(text)
    }
  const cases: [Answer, typeof InputError | typeof UnavailableError, RegExp][] = [
    [status(401), InputError, /access denied \(401; no credentials were given\)/],
    [status(404), InputError, /repository not found/],
    [status(503, 'come back\nlater'), UnavailableError, /answered 503: come back later$/],
    [status(418, '<b>', 'text/html'), InputError, /answered 418$/],
    [status(200, '<html>', 'text/html'), InputError, /no Git server that speaks the smart protocol/],
    [status(200, `${oid}\trefs/heads/main\n`), InputError, /smart protocol/],
    [sends(advertised, lines('ERR you may not\n')), InputError, /^remote error: you may not$/],
    [sends(advertised, Buffer.from('zzzz')), InputError, /bad line length/],
    [sends(advertised, lines(`${oid} refs/heads/../x\0agent=x`)), InputError, /is no name of a ref/],
    [sends(advertised, lines('nonsense')), InputError, /is no object id/],
    [
      sends(advertised, lines('version 2\n', ...Array.from({ length: 1001 }, (_, i) => `c${i}\n`))),
      InputError,
      /more than 1000 capabilities/,
    ],
    [sends(advertised, lines(`${oid} refs/heads/x\0object-format=md5`)), InputError, /unknown object format 'md5'/],
    [(_, outgoing) => outgoing.destroy(), UnavailableError, /^cannot reach http:\/\/127\.0\.0\.1:\d+\/r\.git: /],
  ]
  for (const [answer, family, words] of cases) {
    await assert.rejects(read(await clientOf(answer)), (error) => {
      assert.ok(error instanceof family, String(error))
      assert.match(error.message, words)
      assert.doesNotMatch(error.message, /\n/)
      return true
    })
  }
  const nobody = new RemoteHttp({ remote: parseRemoteUrl('http://127.0.0.1:1/x'), client, signal: new AbortController().signal })
  await assert.rejects(read(nobody), UnavailableError)
  const plain = await openFront('http://127.0.0.1:1', () => true)
  closing.push(() => plain.close())
  const remote = parseRemoteUrl(plain.url.replace('http:', 'https:'))
  await assert.rejects(
    read(new RemoteHttp({ remote, client, signal: new AbortController().signal })),
    /: TLS failed: wrong version number \((ERR_SSL|EPROTO)/,
  )
})

test('a server that says nothing, or stops in the middle, is left', async () => {
  await assert.rejects(read(await clientOf(() => {}, 100)), { code: 'remote-stalled' })
  const middle: Answer = (_, outgoing) => {
    outgoing.writeHead(200, { 'content-type': advertised })
    outgoing.write(lines('# service=git-upload-pack\n'))
  }
  await assert.rejects(read(await clientOf(middle, 100)), { code: 'remote-stalled' })
  const stopping = new AbortController()
  const front = await openFront('http://127.0.0.1:1', () => true)
  closing.push(() => front.close())
  const stopped = read(new RemoteHttp({ remote: parseRemoteUrl(front.url), client, signal: stopping.signal }))
  stopping.abort(new Error('enough'))
  await assert.rejects(stopped, /enough/)
})

test('a redirect does not lead into the network that the server stands in, and a private URL is none to begin with', async () => {
  const front = await openFront('http://127.0.0.1:1', (_, outgoing) => {
    outgoing.writeHead(301, { location: 'http://169.254.169.254/r.git/info/refs?service=git-upload-pack' })
    outgoing.end()
    return true
  })
  closing.push(() => front.close())
  const { signal } = new AbortController()
  const remote = parseRemoteUrl(`${front.url}/r.git`)
  await assert.rejects(read(new RemoteHttp({ remote, client, signal })), {
    code: 'remote-private',
    message: /169\.254\.169\.254 is a private address/,
  })
  const closed = { agent: 'x', outbound: new Outbound({ allowed: new AllowedHosts([]) }) }
  await assert.rejects(read(new RemoteHttp({ remote, client: closed, signal })), { code: 'remote-private' })
  assert.equal(front.seen.length, 1)
})

test('redirects: followed for the first request, without the secret to another host', async () => {
  const target = await openFront('http://127.0.0.1:1', (incoming, outgoing) => {
    sends(advertised, lines(`${oid} refs/heads/main\0agent=x`))(incoming, outgoing)
    return true
  })
  closing.push(() => target.close())
  const redirecting = async (to: (path: string) => string) => {
    const front = await openFront('http://127.0.0.1:1', (incoming, outgoing) => {
      outgoing.writeHead(301, { location: to(incoming.url ?? '') })
      outgoing.end()
      return true
    })
    closing.push(() => front.close())
    const remote = { url: `${front.url}/r.git`, authorization: 'Basic secret' }
    return { http: new RemoteHttp({ remote, client, signal: new AbortController().signal }), front }
  }
  const moved = await redirecting((path) => `${target.url}/moved${path}`)
  assert.equal((await read(moved.http)).refs.length, 1)
  assert.equal(moved.front.seen[0]?.headers.authorization, 'Basic secret')
  assert.equal(target.seen[0]?.headers.authorization, undefined)
  assert.equal(target.seen[0]?.line, 'GET /moved/r.git/info/refs?service=git-upload-pack')
  await assert.rejects(read((await redirecting((path) => path)).http), /redirects more than 5 times/)
  await assert.rejects(read((await redirecting(() => `${target.url}/login`)).http), { code: 'remote-redirect' })
  await assert.rejects(read((await redirecting((path) => `file:///etc${path}`)).http), { code: 'remote-redirect' })
})

test('an answer without a pack, a refusal in the middle of it, and one that is cut off', async () => {
  const result = 'application/x-git-upload-pack-result'
  const state = { version: 2, format: 'sha1', capabilities: [], refs: [], head: null, headOid: null, isShallow: false } as const
  const take = async (bytes: Uint8Array) => {
    const http = await clientOf(sends(result, bytes))
    const parts: Uint8Array[] = []
    for await (const part of fetchPack(http, { state, wants: [oid], haves: [], agent: 'x' })) parts.push(part)
    return concatBytes(parts)
  }
  const band = (number: number, text: string) => encodePkt(concatBytes([Uint8Array.of(number), Buffer.from(text)]))
  const head = encodePkt('packfile\n')
  assert.equal(Buffer.from(await take(concatBytes([head, band(1, 'PA'), band(2, 'hm'), band(1, 'CK'), flushPkt]))).toString(), 'PACK')
  await assert.rejects(take(flushPkt), /the answer ends before the pack/)
  await assert.rejects(take(encodePkt('ERR not our ref\n')), /remote error: not our ref/)
  await assert.rejects(take(concatBytes([head, band(1, 'PA'), band(3, 'out of luck\n')])), /remote error: out of luck/)
  await assert.rejects(take(concatBytes([encodePkt(`shallow ${oid}\n`), head])), { code: 'remote-shallow' })
  await assert.rejects(take(concatBytes([head, Buffer.from('0fff\x01PA')])), { code: 'pkt-truncated' })
})

test('a server whose first lines are nonsense is left, though it would go on', { timeout: 20_000 }, async () => {
  const left = Promise.withResolvers<void>()
  const http = await clientOf((_, outgoing) => {
    outgoing.on('close', () => left.resolve())
    outgoing.writeHead(200, { 'content-type': advertised })
    outgoing.write(lines('nonsense'))
  })
  await assert.rejects(read(http), /is no object id/)
  await left.promise
})

test('what a server says reaches no terminal as it is: reasons of refusals, types of answers', async () => {
  const evil = '\x1b[2J\x9b2J'
  const report = concatBytes([encodePkt('unpack ok\n'), encodePkt(`ng refs/heads/main ${evil}\n`), flushPkt])
  const answer = concatBytes([encodeBand(1, report), flushPkt])
  const capabilities = ['report-status', 'side-band-64k'].map((name) => ({ name, value: null }))
  const state = { version: 0, format: 'sha1', capabilities, refs: [], head: null, headOid: null, isShallow: false } as const
  const commands = [{ name: 'refs/heads/main', oldOid: oid, newOid: null }]
  const nothing = (async function* () {})()
  const http = await clientOf(sends('application/x-git-receive-pack-result', answer))
  assert.deepEqual(await pushPack(http, state, commands, nothing, 'x'), [{ name: 'refs/heads/main', reason: '?[2J?2J' }])
  await assert.rejects(read(await clientOf(sends('text/\x9b2J', new Uint8Array(0)))), /it answers with 'text\/\?2J'/)
})

test('the pack is let go when the other end takes none of it', { timeout: 20_000 }, async () => {
  const state = { version: 0, format: 'sha1', capabilities: [], refs: [], head: null, headOid: null, isShallow: false } as const
  const commands = [{ name: 'refs/heads/main', oldOid: null, newOid: oid }]
  const status = async (code: number) =>
    clientOf((_, outgoing) => {
      outgoing.writeHead(code)
      outgoing.end()
    })
  const nobody = new RemoteHttp({ remote: parseRemoteUrl('http://127.0.0.1:1/x'), client, signal: new AbortController().signal })
  for (const http of [nobody, await status(403), await status(500)]) {
    const left = Promise.withResolvers<void>()
    const pack = (async function* () {
      try {
        for (;;) yield new Uint8Array(600_000)
      } finally {
        left.resolve()
      }
    })()
    await assert.rejects(pushPack(http, state, commands, pack, 'x'))
    await left.promise
  }
})
