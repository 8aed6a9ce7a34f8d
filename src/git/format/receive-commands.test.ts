import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { concatBytes, InputError, utf8 } from '../../base/index.ts'
import {
  capabilityValue,
  formatAgent,
  formatCapabilities,
  formatV2Advertisement,
  formatV2Capability,
  hasCapability,
  isSessionId,
  parseCapabilities,
  parseV2Capability,
  printable,
} from './capabilities.ts'
import type { ObjectFormat, ObjectId } from './object-id.ts'
import { encodePkt, flushPkt, PktLineReader } from './pkt-line.ts'
import { newPushParser, type PushLimits, readPushOptions, readPushRequest } from './receive-commands.ts'
import { decodeReportStatus, encodeReportStatus, type RefResult } from './report-status.ts'

const zero = '0'.repeat(40)
const one = '1'.repeat(40)
const two = 'ab'.repeat(20)

async function* once(...parts: (Uint8Array | string)[]): AsyncGenerator<Uint8Array> {
  yield concatBytes(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)))
}

function parse(lines: readonly (string | Uint8Array)[], format: ObjectFormat = 'sha1', limits: PushLimits = {}) {
  const parser = newPushParser(format, limits)
  for (const line of lines) parser.line(typeof line === 'string' ? Buffer.from(line, 'latin1') : line)
  return parser.finish()
}

const refuses = (code: string, message: RegExp, lines: readonly string[], format: ObjectFormat = 'sha1', limits: PushLimits = {}) =>
  assert.throws(
    () => parse(lines, format, limits),
    (error) => error instanceof InputError && error.code === code && message.test(error.message),
  )

describe('push commands', () => {
  test('are read as clients send them', () => {
    const { commands, shallows, capabilities } = parse([
      `shallow ${two}\n`,
      `${zero} ${one} refs/heads/new\0 report-status side-band-64k object-format=sha1 agent=git/2.39.5\n`,
      `${one} ${two.toUpperCase()} refs/heads/main`,
      `${one} ${zero} refs/old`,
      `${zero} ${one} HEAD`,
    ])
    assert.deepEqual(
      commands.map(({ action, ref, refusal }) => [action, ref, refusal]),
      [
        ['create', 'refs/heads/new', null],
        ['update', 'refs/heads/main', null],
        ['delete', 'refs/old', null],
        ['create', 'HEAD', 'funny refname'],
      ],
    )
    assert.equal(commands[1]?.newId, two)
    assert.deepEqual(shallows, [two])
    assert.equal(hasCapability(capabilities, 'report-status'), true)
    assert.equal(capabilityValue(capabilities, 'agent'), 'git/2.39.5')
  })
  test('names that are not UTF-8 are told apart and kept', () => {
    const { commands } = parse([`${zero} ${one} refs/heads/\xff`, `${zero} ${one} refs/heads/\xfe`])
    assert.deepEqual(
      commands.map(({ refusal }) => refusal),
      ['refname is not UTF-8', 'refname is not UTF-8'],
    )
    assert.equal(Buffer.from(commands[0]?.refBytes ?? []).toString('latin1'), 'refs/heads/\xff')
  })
  test('SHA-256', () => {
    const [long, none] = ['c'.repeat(64), '0'.repeat(64)]
    assert.equal(parse([`${none} ${long} refs/heads/x\0object-format=sha256`], 'sha256').commands[0]?.newId, long)
    refuses('push-object-format', /^error: unsupported object format 'sha1'$/, [`${none} ${long} refs/heads/x\0report-status`], 'sha256')
    refuses('push-object-format', /unsupported object format 'sha256'/, [`${zero} ${one} refs/heads/x\0object-format=sha256`])
    refuses('push-command', /expected old\/new\/ref/, [`${none} ${long} refs/heads/x`])
  })
  test('others are refused in git’s words', () => {
    for (const line of [
      '',
      'x',
      `${one} ${two}`,
      `${one}  ${two} refs/heads/x`,
      `${one} ${two}\trefs/heads/x`,
      `${one}1 ${two} refs/heads/x`,
      `g${one.slice(1)} ${two} refs/x/y`,
    ]) {
      refuses('push-command', /^protocol error: expected old\/new\/ref, got '/, [line])
    }
    refuses('push-shallow', /^protocol error: expected shallow sha, got 'abc'$/, ['shallow abc'])
    const command = `${zero} ${one} refs/heads/x`
    refuses('push-duplicate-ref', /^multiple updates for ref 'refs\/heads\/x' not allowed$/, [command, `${one} ${two} refs/heads/x`])
    refuses('push-too-many', /at most 1 refs/, [command, `${command}y`], 'sha1', { commands: 1 })
    refuses('push-too-many', /capabilities/, [`${command}\0${'a '.repeat(1001)}`])
    refuses('push-too-many', /shallow/, [`shallow ${one}`, `shallow ${two}`], 'sha1', { shallows: 1 })
  })
  test('end with their flush; options and the pack follow', async () => {
    const reader = new PktLineReader(
      once(encodePkt(`${zero} ${one} refs/heads/x\0push-options`), flushPkt, encodePkt('ci.skip\n'), encodePkt('ü'), flushPkt, 'PACK'),
    )
    assert.equal((await readPushRequest(reader, newPushParser('sha1'))).commands.length, 1)
    assert.deepEqual(await readPushOptions(reader), ['ci.skip', 'ü'])
    const rest: Uint8Array[] = []
    for await (const part of reader.rest()) rest.push(part)
    assert.equal(Buffer.concat(rest).toString(), 'PACK')
  })
  test('options end at a NUL, as in git', async () => {
    const reader = new PktLineReader(once(encodePkt(Buffer.from('a\0b')), flushPkt))
    assert.deepEqual(await readPushOptions(reader), ['a'])
  })
  test('nothing is a request without commands; an end without flush is not', async () => {
    assert.deepEqual((await readPushRequest(new PktLineReader(once('0000')), newPushParser('sha1'))).commands, [])
    await assert.rejects(readPushRequest(new PktLineReader(once('')), newPushParser('sha1')), /hung up/)
    await assert.rejects(readPushRequest(new PktLineReader(once('0001')), newPushParser('sha1')), /unexpected packet/)
    await assert.rejects(readPushOptions(new PktLineReader(once(encodePkt('a'), encodePkt('b'), '0000')), { options: 1 }), /push options/)
  })
  test('noise throws only InputError', () => {
    const word = fc.constantFrom(one, zero, ' ', '\0', 'refs/heads/x', 'shallow ', 'push-cert', 'object-format=sha1', '\n', '\xff', 'x')
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.array(word, { maxLength: 8 }).map((words) => words.join('')),
            fc.string(),
          ),
          { maxLength: 5 },
        ),
        (lines) => {
          try {
            parse(lines)
          } catch (error) {
            assert.ok(error instanceof InputError)
          }
        },
      ),
      { numRuns: 1000 },
    )
  })
})

describe('capabilities', () => {
  const anyWord = fc.stringMatching(/^[a-z0-9-]{1,12}$/)
  const anyList = fc.array(fc.record({ name: anyWord, value: fc.option(fc.stringMatching(/^[!-~]{0,12}$/)) }, { noNullPrototype: true }))
  test('come back', () => {
    fc.assert(fc.property(anyList, (list) => assert.deepEqual(parseCapabilities(` ${formatCapabilities(list)}\n`), list)))
    fc.assert(fc.property(anyList, (list) => assert.deepEqual(list.map(formatV2Capability).map(parseV2Capability), list)))
  })
  test('of version 2 hold spaces, and nothing odd', () => {
    assert.deepEqual(parseV2Capability('fetch=shallow wait-for-done'), { name: 'fetch', value: 'shallow wait-for-done' })
    assert.deepEqual(
      formatV2Advertisement([
        { name: 'ls-refs', value: 'unborn' },
        { name: 'object-info', value: null },
      ]),
      ['version 2\n', 'ls-refs=unborn\n', 'object-info\n'],
    )
    for (const line of ['', '=x', 'a b', 'a\0', 'agent=\x1b[1m', 'ü=1']) assert.throws(() => parseV2Capability(line), InputError, line)
    assert.throws(() => formatCapabilities([{ name: 'a b', value: null }]), RangeError)
  })
  test('agents and session ids are plain text', () => {
    assert.equal(formatAgent('stemma', '0.1 β'), 'stemma/0.1..')
    assert.deepEqual(['20261123T072500.123Z-H1-P2', '', 'a b', 'x'.repeat(257)].map(isSessionId), [true, false, false, false])
    assert.equal(printable('a\x1b\n'), 'a??')
    assert.equal(printable('x'.repeat(300)).length, 201)
  })
})

describe('push certificates', () => {
  const certificate = [
    'certificate version 0.1\n',
    'pusher A U Thor <author@example.com> 1700000000 +0100\n',
    'pushee https://example.com/a.git\n',
    'nonce 1700000000-abc\n',
    'push-option ci.skip\n',
    'push-option more text\n',
    '\n',
    `${one} ${two} refs/heads/main\n`,
    `${zero} ${one} refs/heads/new\n`,
  ]
  const signature = ['-----BEGIN PGP SIGNATURE-----\n', '\n', 'xyz\n', '-----END PGP SIGNATURE-----\n']
  const begin = 'push-cert\0report-status push-cert=1700000000-abc\n'

  test('hold the commands, and what was signed', () => {
    const { commands, certificate: signed, capabilities } = parse([begin, ...certificate, ...signature, 'push-cert-end\n'])
    assert.deepEqual(
      commands.map(({ action, ref }) => [action, ref]),
      [
        ['update', 'refs/heads/main'],
        ['create', 'refs/heads/new'],
      ],
    )
    assert.equal(hasCapability(capabilities, 'report-status'), true)
    assert.ok(signed)
    const { version, pusher, pushee, nonce, options } = signed
    assert.deepEqual([version, pusher], ['0.1', 'A U Thor <author@example.com> 1700000000 +0100'])
    assert.deepEqual([pushee, nonce, options], ['https://example.com/a.git', '1700000000-abc', ['ci.skip', 'more text']])
    assert.equal(signed.signature, 'openpgp')
    assert.equal(Buffer.from(signed.bytes.subarray(0, signed.payloadBytes)).toString(), certificate.join(''))
    assert.equal(Buffer.from(signed.bytes).toString(), [...certificate, ...signature].join(''))
  })
  test('may come unsigned, or signed by SSH; the last signature counts', () => {
    assert.equal(parse([begin, ...certificate, 'push-cert-end\n']).certificate?.signature, null)
    const twice = ['-----BEGIN PGP SIGNATURE-----\n', `${zero} ${two} refs/heads/inside\n`, '-----BEGIN SSH SIGNATURE-----\n', 'x\n']
    assert.throws(() => parse([begin, ...certificate, ...twice, 'push-cert-end\n']), /expected old\/new\/ref, got '-----BEGIN/)
    const ssh = parse([begin, ...certificate, '-----BEGIN SSH SIGNATURE-----\n', 'x\n', 'push-cert-end\n'])
    assert.equal(ssh.certificate?.signature, 'ssh')
  })
  test('are refused when malformed', () => {
    refuses('push-certificate', /^malformed push certificate certificate version 0\.1/, [begin, certificate[0] ?? '', 'push-cert-end\n'])
    refuses('push-certificate', /unexpected packet/, [begin, ...certificate])
    refuses('push-certificate', /both push certificate and unsigned commands/, [
      begin,
      ...certificate,
      'push-cert-end\n',
      `${zero} ${one} refs/heads/x`,
    ])
    refuses('push-certificate', /more than one/, [begin, ...certificate, 'push-cert-end\n', 'push-cert'])
    refuses('push-too-many', /too large/, [begin, ...certificate], 'sha1', { certificateBytes: 100 })
    refuses('push-duplicate-ref', /multiple updates/, [begin, ...certificate, certificate[7] ?? '', 'push-cert-end\n'])
  })
  test('of noise are refused without harm', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 60 })), (noise) => {
        try {
          parse([begin, ...noise, 'push-cert-end\n'])
        } catch (error) {
          assert.ok(error instanceof InputError)
        }
      }),
    )
  })
})

describe('reports', () => {
  const anyRef = fc.stringMatching(/^refs\/[a-z]{1,9}\/[!-~]{1,9}$/)
  const anyId = fc.stringMatching(/^[0-9a-f]{40}$/).map((id) => id as ObjectId)
  const anyResult: fc.Arbitrary<RefResult> = fc.oneof(
    fc.record({ ref: anyRef, error: fc.stringMatching(/^[a-z]+( [a-z]+)*$/) }, { noNullPrototype: true }),
    fc.record(
      { ref: anyRef, error: fc.constant(null), refname: anyRef, oldId: anyId, newId: anyId, isForced: fc.constant(true) },
      { requiredKeys: ['ref', 'error'], noNullPrototype: true },
    ),
  )
  test('come back', () => {
    fc.assert(
      fc.property(
        fc.option(fc.stringMatching(/^[a-z]+( [a-z]+)*$/).filter((text) => text !== 'ok')),
        fc.array(anyResult),
        (unpackError, results) => {
          const report = { unpackError, results }
          assert.deepEqual(decodeReportStatus(encodeReportStatus(report, 2)), report)
          const plain = results.map(({ ref, error }) => ({ ref, error }))
          assert.deepEqual(decodeReportStatus(encodeReportStatus(report, 1)), { unpackError, results: plain })
        },
      ),
    )
  })
  test('are the bytes that git sends', () => {
    const report = {
      unpackError: null,
      results: [
        { ref: 'refs/heads/a', error: null, isForced: true },
        { ref: 'refs/heads/b', error: 'non-fast-forward' },
      ],
    }
    assert.equal(
      Buffer.from(encodeReportStatus(report, 1)).toString(),
      '000eunpack ok\n0014ok refs/heads/a\n0025ng refs/heads/b non-fast-forward\n0000',
    )
    assert.match(
      Buffer.from(encodeReportStatus(report, 2)).toString(),
      /^000eunpack ok\n0014ok refs\/heads\/a\n0019option forced-update\n0025ng /,
    )
  })
  test('keep to one line whatever the reason, and repeat the name’s bytes', () => {
    const bytes = encodeReportStatus(
      { unpackError: `a\nb ${'c'.repeat(70000)}`, results: [{ ref: Uint8Array.of(0x72, 0xff), error: '\n' }] },
      1,
    )
    assert.match(decodeReportStatus(bytes).unpackError ?? '', /^a b c+$/)
    assert.ok(Buffer.from(bytes).includes(Buffer.from('ng r\xff unknown\n', 'latin1')))
  })
  test('that are none are refused', () => {
    for (const text of ['', '0000', '0008nope0000', '000eunpack ok\n', '000eunpack ok\n0007abc0000', '000eunpack ok\n000foption a b0000']) {
      assert.throws(() => decodeReportStatus(utf8(text)), InputError, text)
    }
  })
})
