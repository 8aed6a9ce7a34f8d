// Request parsing: what is understood, what is refused and how, and that noise does no harm.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { InputError } from '../../base/index.ts'
import { delimiter, flush, pkt } from '../../../tests/support/wire.ts'
import { MAX_PKT_BYTES, pktText } from '../format/pkt-line.ts'
import { readGitSettings } from '../settings/index.ts'
import { fetchOffer, plainOffer } from './offer.ts'
import { defaultRequestLimits } from './request.ts'
import { parseInTurns, parseNow } from './request-lines.ts'
import { parseRequestV0 } from './request-v0.ts'
import { asksSidebandAll, parseRequestV2 } from './request-v2.ts'
import { errorPacket } from './section-writer.ts'

const a = 'a'.repeat(40)
const b = 'b'.repeat(40)
const offer = plainOffer('sha1')
const v0 = (...lines: string[]) => parseNow(parseRequestV0(packets(lines), 0, offer, defaultRequestLimits))?.request ?? null
const raw = (body: string) => parseNow(parseRequestV0(Buffer.from(body), 0, offer, defaultRequestLimits))
const v2 = (...lines: string[]) => parseNow(parseRequestV2(packets(lines), offer, defaultRequestLimits))
/** Parsed by a repository with these settings and nothing else. */
const parsedWith = (config: Record<string, string[]>) => {
  const own = fetchOffer(readGitSettings(config, {}), { format: 'sha1', agent: 'x/1', sessionId: 's' })
  return (...lines: string[]) => parseNow(parseRequestV2(packets(lines), own, defaultRequestLimits))
}

/** `0000` and `0001` stand for themselves. */
function packets(lines: readonly string[]): Buffer {
  return Buffer.concat(lines.map((line) => (line === '0000' ? flush : line === '0001' ? delimiter : pkt(line))))
}

test('version 0: wants, capabilities, shallow lines, haves', () => {
  const request = v0(
    `want ${a} multi_ack_detailed no-done side-band-64k thin-pack no-progress include-tag ofs-delta deepen-relative agent=git/2.39`,
    `want ${b}\n`,
    `shallow ${b}`,
    'deepen 3',
    '0000',
    `have ${a}\n`,
    '0000',
    `have ${b}\n`,
    'done\n',
  )
  assert.ok(request)
  assert.deepEqual(request.wants, [a, b])
  assert.deepEqual(request.shallows, [b])
  assert.deepEqual([request.depth, request.multiAck, request.sideband], [3, 'detailed', 65520])
  assert.deepEqual(
    [request.noDone, request.thinPack, request.noProgress, request.includeTag, request.ofsDelta],
    [true, true, true, true, true],
  )
  assert.deepEqual(request.negotiation, [a, 'flush', b, 'done'])
})

test('version 0: a client that wants nothing, and one that only asks for shallow lines', () => {
  assert.equal(v0('0000'), null)
  assert.equal(parseNow(parseRequestV0(Buffer.alloc(0), 0, offer, defaultRequestLimits)), null)
  assert.deepEqual(v0(`want ${a}`, 'deepen 1', '0000')?.negotiation, [])
})

test('version 2: commands', () => {
  assert.deepEqual(
    v2('command=ls-refs\n', 'agent=x', 'object-format=sha1', '0001', 'peel\n', 'symrefs', 'unborn', 'ref-prefix refs/heads/', '0000'),
    {
      command: 'ls-refs',
      request: { peel: true, symrefs: true, unborn: true, prefixes: ['refs/heads/'] },
      client: { agent: 'x', sessionId: null, serverOptions: [] },
    },
  )
  const fetch = v2(
    'command=fetch',
    '0001',
    'thin-pack',
    `want ${a}`,
    `have ${b}`,
    'deepen-since 1700000000',
    'deepen-not v1',
    'done',
    '0000',
  )
  assert.ok(fetch?.command === 'fetch')
  assert.deepEqual(fetch.request.deepenNot, ['v1'])
  assert.equal(fetch.request.deepenSince, 1700000000)
  assert.equal(v2('0000'), null)
})

test('version 2: what a client tells of itself', () => {
  const told = v2('command=ls-refs', 'agent=git/2.50', 'session-id=abc', 'server-option=hello', 'server-option=world=1', '0000')
  assert.deepEqual(told?.client, { agent: 'git/2.50', sessionId: 'abc', serverOptions: ['hello', 'world=1'] })
  const old = parseNow(parseRequestV0(packets([`want ${a} agent=git/2.50 session-id=abc`, '0000', 'done']), 0, offer, defaultRequestLimits))
  assert.deepEqual(old?.client, { agent: 'git/2.50', sessionId: 'abc', serverOptions: [] })
})

test('version 2: arguments that settings allow, and that are unknown without', () => {
  const all = {
    'uploadpack.allowfilter': ['true'],
    'uploadpack.allowrefinwant': ['true'],
    'uploadpack.allowsidebandall': ['true'],
    'uploadpack.blobpackfileuri': [`${a} ${b} https://example.org/x.pack`],
  }
  const asked = ['filter tree:1', 'want-ref refs/heads/main', 'want-ref HEAD', 'sideband-all', 'packfile-uris https,http']
  const fetch = parsedWith(all)('command=fetch', '0001', ...asked, '0000')
  assert.ok(fetch?.command === 'fetch')
  assert.deepEqual(fetch.request.filter, { kind: 'tree', depth: 1 })
  assert.deepEqual(fetch.request.wantRefs, ['refs/heads/main', 'HEAD'])
  assert.equal(fetch.request.sidebandAll, true)
  assert.deepEqual(fetch.request.uriProtocols, ['https', 'http'])
  const unframed = parsedWith(all)('command=fetch', '0001', 'packfile-uris https', '0000')
  assert.deepEqual(unframed?.command === 'fetch' && unframed.request.uriProtocols, [])
  for (const argument of asked) {
    assert.throws(
      () => parsedWith({})('command=fetch', '0001', argument, '0000'),
      new RegExp(`^InputError: unexpected line: '${argument}'$`),
    )
  }
})

test('version 2: object-info and bundle-uri where they are offered', () => {
  const info = v2('command=object-info', '0001', 'size', `oid ${a}`, `oid ${a}`, '0000')
  assert.deepEqual(info?.command === 'object-info' && info.request, { size: true, oids: [a, a] })
  assert.equal(v2('command=bundle-uri', '0000')?.command, 'bundle-uri')
  for (const command of ['object-info', 'bundle-uri']) {
    assert.throws(() => parsedWith({})(`command=${command}`, '0000'), new RegExp(`invalid command '${command}'`))
  }
})

test('version 2: the promisor remotes that a client accepts, of those that were offered', () => {
  const config = {
    'promisor.advertise': ['true'],
    'remote.big files.promisor': ['true'],
    'remote.big files.url': ['https://example.org/a;b'],
    'remote.other.promisor': ['true'],
    'remote.other.url': ['https://example.org/o'],
  }
  const fetch = parsedWith(config)('command=fetch', 'promisor-remote=big%20files;nobody', '0001', 'done', '0000')
  assert.deepEqual(fetch?.command === 'fetch' && fetch.request.promisors, ['big files'])
  assert.throws(() => v2('command=fetch', 'promisor-remote=x', '0000'), /unknown capability 'promisor-remote=x'/)
})

test('a body that cannot be parsed tells all the same whether its client expects frames', () => {
  const own = fetchOffer(readGitSettings({ 'uploadpack.allowsidebandall': ['true'] }), { format: 'sha1', agent: 'x/1', sessionId: 's' })
  const bad = packets(['command=fetch', '0001', 'sideband-all', 'frobnicate', '0000'])
  assert.equal(parseNow(asksSidebandAll(bad, own, defaultRequestLimits)), true)
  assert.equal(parseNow(asksSidebandAll(bad, offer, defaultRequestLimits)), false)
  assert.equal(parseNow(asksSidebandAll(packets(['command=fetch', '0001', 'frobnicate']), own, defaultRequestLimits)), false)
  assert.equal(pktText(errorPacket('no', true)), '0007\u0003no')
})

test('what git refuses is refused in its words', () => {
  const cases: [() => unknown, RegExp][] = [
    [() => v0(`want ${a.slice(1)}`, '0000'), /expected to get object ID, not 'want a+'/],
    [() => v0(`want ${a}`, 'filter blob:none', '0000', 'done'), /filtering capability not negotiated/],
    [() => v0(`want ${a} filter`, 'filter blob:nix', '0000', 'done'), /^invalid filter-spec 'blob:nix'$/],
    [() => v0(`want ${a} filter`, 'filter blob:none', 'filter blob:none', '0000', 'done'), /^multiple filter-specs cannot be combined$/],
    [() => v0(`want ${a}`, 'deepen 0', '0000', 'done'), /Invalid deepen: deepen 0/],
    [() => v0(`want ${a}`, 'deepen 1', 'deepen-since 5', '0000', 'done'), /cannot be used together/],
    [() => v0(`want ${a}`, '0000', 'has x'), /expected SHA1 list, got 'has x'/],
    [() => v0(`want ${a} object-format=sha256`, '0000', 'done'), /mismatched object format: server sha1; client sha256/],
    [() => v0(`want ${a}`, '0000', `have ${b}`), /hung up unexpectedly/],
    [() => v2('command=fetch', '0001', 'filter sparse:path=x', '0000'), /sparse:path filters support has been dropped/],
    [
      () => parsedWith({ 'uploadpack.allowrefinwant': ['true'] })('command=fetch', '0001', 'want-ref refs/a', 'want-ref refs/a', '0000'),
      /^duplicate want-ref refs\/a$/,
    ],
    [() => v2('command=object-info', '0001', 'oid xyz', '0000'), /^object-info: protocol error, expected to get oid, not 'xyz'$/],
    [() => v2('command=object-info', '0001', 'type', '0000'), /^object-info: unexpected line: 'type'$/],
    [() => v2('command=object-info', '0001', 'size'), /^object-info: expected flush after arguments$/],
    [() => v2('command=bundle-uri', '0001', 'x', '0000'), /^bundle-uri: unexpected argument: 'x'$/],
    [() => v2('command=ls-refs', 'fetch', '0000'), /^unknown capability 'fetch'$/],
    [() => v2('command=ls-refs=x', '0000'), /^invalid command 'ls-refs=x'$/],
    [() => v2('command=agent', '0000'), /^invalid command 'agent'$/],
    [() => v2('command=ls-refs', 'object-format', '0000'), /^object-format capability requires an argument$/],
    [() => v2('command=push', '0000'), /invalid command 'push'/],
    [() => v2('frobnicate', '0000'), /unknown capability 'frobnicate'/],
    [() => v2('agent=x', '0000'), /no command requested/],
    [() => v2('command=fetch', 'object-format=sha256', '0000'), /mismatched object format/],
    [() => v2('command=fetch', '0001', `want ${a}`, '0001'), /expected flush after fetch arguments/],
    [() => v2('command=fetch', 'command=fetch', '0000'), /requested after already requesting/],
    [() => raw('zzzz'), /^protocol error: bad line length character: zzzz$/],
    [() => raw('0003'), /^protocol error: bad line length 3$/],
    [() => raw('fff1'), /^protocol error: bad line length 65517$/],
    [() => raw('0002'), /^unexpected response end packet$/],
    [() => raw('0001'), /^unexpected delimiter packet$/],
    [() => raw('00'), /^the remote end hung up unexpectedly$/],
    [() => raw('0032want'), /^the remote end hung up unexpectedly$/],
    [() => v0('ERR no more\n'), /^remote error: no more$/],
    [() => parseNow(parseRequestV0(Buffer.alloc(9), 0, offer, { bytes: 8, lines: 9 })), /larger than 8 bytes/],
    [() => parseNow(parseRequestV0(packets(['x', 'x', 'x']), 0, offer, { bytes: 99, lines: 2 })), tooManyLines],
  ]
  for (const [parse, message] of cases) {
    assert.throws(parse, (error: unknown) => error instanceof InputError && message.test(error.message), String(message))
  }
})

const tooManyLines = /expected to get object ID|more than 2 lines/

test('a refusal that quotes a line of the greatest length is cut to one', () => {
  let refusal = ''
  try {
    v0('x'.repeat(MAX_PKT_BYTES - 4))
  } catch (error) {
    refusal = (error as InputError).message
  }
  const packet = errorPacket(refusal)
  assert.equal(packet.length, MAX_PKT_BYTES)
  assert.match(pktText(packet), /^fff0ERR git upload-pack: protocol error, expected to get object ID, not 'x+$/)
  assert.equal(pktText(errorPacket('no')), '000aERR no')
})

test('noise and mutilated requests throw InputError and nothing else', () => {
  const sound = packets([
    'command=fetch',
    'object-format=sha1',
    '0001',
    `want ${a}`,
    `have ${b}`,
    'deepen 2',
    `shallow ${a}`,
    'done',
    '0000',
  ])
  const mutated = fc.tuple(fc.nat(sound.length - 1), fc.nat(255), fc.nat(sound.length)).map(([at, byte, length]) => {
    const copy = Buffer.from(sound)
    copy[at] = byte
    return copy.subarray(0, length)
  })
  fc.assert(
    fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 200 })), (bytes) => {
      for (const parse of [
        () => parseNow(parseRequestV2(bytes, offer, defaultRequestLimits)),
        () => parseNow(parseRequestV0(bytes, 0, offer, defaultRequestLimits)),
      ]) {
        try {
          parse()
        } catch (error) {
          assert.ok(error instanceof InputError, String(error))
        }
      }
    }),
    { numRuns: 2000 },
  )
})

test('a large request is parsed in turns: other work goes on, and what comes out is the same', async () => {
  const haves = Array.from({ length: 20_000 }, (_, n) => `have ${n.toString(16).padStart(40, '0')}`)
  const bodies = [
    () => parseRequestV2(packets(['command=fetch', '0001', `want ${a}`, ...haves, '0000']), offer, defaultRequestLimits),
    () => parseRequestV0(packets([`want ${a}`, '0000', ...haves, '0000']), 0, offer, defaultRequestLimits),
  ]
  for (const parse of bodies) {
    let turns = 0
    let isDone = false
    const other = () => {
      turns++
      if (!isDone) setImmediate(other)
    }
    setImmediate(other)
    const parsed = await parseInTurns<unknown>(parse())
    isDone = true
    assert.ok(turns >= 4, `${turns}`)
    assert.deepEqual(parsed, parseNow<unknown>(parse()))
  }
})
