// Base64, cut anywhere; and what isn't.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concatBytes, InputError, utf8 } from '../../base/index.ts'
import { Seeded, seedOfRun } from '../../../tests/support/seeded.ts'
import { Base64Decoder } from './base64-decoder.ts'

function decode(text: string, cuts: () => number = () => 5): Uint8Array {
  const decoder = new Base64Decoder()
  const bytes = utf8(text)
  const pieces: Uint8Array[] = []
  for (let at = 0; at < bytes.length; ) {
    const count = cuts()
    pieces.push(new Uint8Array(decoder.push(bytes.subarray(at, at + count))))
    at += count
  }
  decoder.end()
  return concatBytes(pieces)
}

test('any bytes, cut anywhere', () => {
  const seeded = new Seeded(seedOfRun('base64'))
  for (let n = 0; n < 1000; n++) {
    const bytes = seeded.bytes(seeded.below(100))
    const found = decode(Buffer.from(bytes).toString('base64'), () => 1 + seeded.below(12))
    assert.ok(Buffer.from(bytes).equals(found), `seed ${seeded.seed}`)
  }
})

test('what is not base64: other bytes, the URL’s alphabet, no padding, padding within, bits that say nothing', () => {
  const bad = [
    'QUI',
    'QU==QUJD',
    'QUJ=QUJD',
    'QU=D',
    'Q===',
    '====',
    'QUJD\n',
    'Q-JD',
    'Q_JD',
    'QUJ!',
    'QUK=',
    'QV==',
    'QUJDéé',
    'QUI==',
    'QUI=QUI=',
    ' QUJD',
  ]
  for (const text of bad) {
    for (const count of [1, 3, 4, 100])
      assert.throws(
        () => decode(text, () => count),
        (error) => error instanceof InputError && error.code === 'bad-base64',
        text,
      )
  }
})
