// Names of content.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestBytes, digestOf, parseDigest } from './digest.ts'

test('only 64 lower-case hex digits name content', () => {
  const good = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
  assert.equal(parseDigest(good), good)
  for (const bad of ['', good.slice(1), `${good}0`, good.toUpperCase(), `sha256:${good}`, `${good}\n`, good.replace('e', 'g')]) {
    assert.equal(parseDigest(bad), null, bad)
  }
})

test('bytes and text are one', () => {
  const bytes = new Uint8Array(32).map((_, at) => at * 7)
  assert.deepEqual(digestBytes(digestOf(bytes)), bytes)
  assert.throws(() => digestOf(bytes.subarray(1)), RangeError)
})
