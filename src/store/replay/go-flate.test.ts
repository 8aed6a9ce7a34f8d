// Go's encoder: its golden vectors are Go's own streams (goldens.ts, held by replay.test.ts); here, that what it makes is a stream of the same bytes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inflateRawSync } from 'node:zlib'
import { concatBytes } from '../../base/index.ts'
import { mixedBytes, numbersFrom } from './golden.ts'
import { goFlate } from './go-flate.ts'

const engine = goFlate([])

/** In pieces of the given size. */
function made(params: readonly number[], plain: Uint8Array, pieceBytes: number): Uint8Array {
  const encoder = engine.encoder(Uint8Array.from(params))
  const pieces: Uint8Array[] = []
  for (let at = 0; at < plain.length; at += pieceBytes) pieces.push(...encoder.push(plain.subarray(at, at + pieceBytes)))
  return concatBytes([...pieces, ...encoder.end()])
}

test('go-flate: streams of any bytes inflate to them, whatever pieces they came in', () => {
  const below = numbersFrom(4)
  const sizes = [0, 1, 2, 3, 4, 16, 17, 127, 128, 129, 300, 65_534, 65_535, 65_536, 131_070, 131_086, 131_087, 200_000]
  for (const params of engine.candidates(null)) {
    for (const size of sizes) {
      const plain = mixedBytes(1 + below(1e9), size)
      const whole = made(params, plain, size || 1)
      assert.deepEqual(new Uint8Array(inflateRawSync(whole)), plain, `${params.join()} ${size}`)
      assert.deepEqual(made(params, plain, 1 + below(size || 1)), whole)
    }
  }
})

test('go-flate: places are counted anew before they grow too large', () => {
  // 2^24 is passed at 16 MiB: a repeat across that point must still be found.
  const part = mixedBytes(9, 30_000)
  const plain = new Uint8Array(17 * 1024 * 1024)
  for (let at = 0; at < plain.length; at += part.length) plain.set(part.subarray(0, Math.min(part.length, plain.length - at)), at)
  for (const level of [6, 3]) {
    const stream = made([level + 2], plain, 1 << 20)
    assert.ok(stream.length < 400_000, `${stream.length}`)
    assert.ok(Buffer.compare(inflateRawSync(stream), plain) === 0)
  }
})

test('go-flate: short streams, byte for byte as Go makes them', () => {
  const hex = (level: number, text: string) => Buffer.from(made([level + 2], Buffer.from(text), 100)).toString('hex')
  assert.equal(hex(6, '\xd8'.repeat(21)), '3a3c835808080000ffff')
  assert.equal(hex(1, 'abcabcabcabcabcabcabcabc'), '04c0010100000040a0adf8ff41188661188661070000ffff')
  assert.equal(hex(6, ''), '010000ffff')
})
