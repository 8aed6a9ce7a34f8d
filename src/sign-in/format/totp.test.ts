import assert from 'node:assert/strict'
import { test } from 'node:test'
import { base32, hotp, isCode, keyUri, stepAt, stepOf } from './totp.ts'

const secret = Buffer.from('12345678901234567890')

test('the values of RFC 4226, appendix D', () => {
  const wanted = ['755224', '287082', '359152', '969429', '338314', '254676', '287922', '162583', '399871', '520489']
  assert.deepEqual(
    wanted.map((_, counter) => hotp(secret, counter)),
    wanted,
  )
})

test('the values of RFC 6238, appendix B', () => {
  const values = [
    [59, '94287082'],
    [1111111109, '07081804'],
    [1111111111, '14050471'],
    [1234567890, '89005924'],
    [2000000000, '69279037'],
    [20000000000, '65353130'],
  ] as const
  for (const [seconds, code] of values) assert.equal(hotp(secret, stepAt(seconds * 1000), 8), code)
})

test('a code is that of its step, and of the ones beside it', () => {
  const code = hotp(secret, 1000)
  for (const [step, found] of [
    [998, null],
    [999, 1000],
    [1000, 1000],
    [1001, 1000],
    [1002, null],
  ] as const)
    assert.equal(stepOf(secret, code, step * 30_000 + 29_999), found, String(step))
  assert.equal(stepOf(secret, '', 0), null)
})

test('what looks like a code', () => {
  assert.deepEqual(['123456', '000000', '12345', '1234567', ' 12345', '12345６', ''].map(isCode), [
    true,
    true,
    false,
    false,
    false,
    false,
    false,
  ])
})

test('the values of RFC 4648, §10, without padding', () => {
  const values = { '': '', f: 'MY', fo: 'MZXQ', foo: 'MZXW6', foob: 'MZXW6YQ', fooba: 'MZXW6YTB', foobar: 'MZXW6YTBOI' }
  for (const [text, wanted] of Object.entries(values)) assert.equal(base32(Buffer.from(text)), wanted)
})

test('what an app scans', () => {
  const uri = new URL(keyUri(secret, { issuer: 'git.example.org', login: 'alice' }))
  assert.equal(uri.protocol, 'otpauth:')
  assert.equal(uri.searchParams.get('secret'), 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ')
  assert.match(uri.href, /^otpauth:\/\/totp\/git\.example\.org:alice\?/)
})
