// klauspost's encoders: their golden vectors are upstream's own streams (goldens.ts, held by replay.test.ts); here, that what they make is a stream of
// the same bytes, and what pieces and places bear on: nothing.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inflateRawSync } from 'node:zlib'
import { concatBytes } from '../../base/index.ts'
import type { DeflateEngine } from './engine.ts'
import { FastMatches, mostDistance } from './fast-matches.ts'
import { mixedBytes, numbersFrom } from './golden.ts'
import { klauspost, pgzip } from './klauspost.ts'

function made(engine: DeflateEngine, params: readonly number[], plain: Uint8Array, pieceBytes: number): Uint8Array {
  const encoder = engine.encoder(Uint8Array.from(params))
  const pieces: Uint8Array[] = []
  for (let at = 0; at < plain.length; at += pieceBytes) pieces.push(...encoder.push(plain.subarray(at, at + pieceBytes)))
  return concatBytes([...pieces, ...encoder.end()])
}

test('klauspost: streams of any bytes inflate to them, whatever pieces they came in', () => {
  const below = numbersFrom(4)
  for (const engine of [klauspost([]), pgzip([])]) {
    for (const params of engine.candidates(null)) {
      for (const size of [0, 12, 33, 300, 65_536, 131_103]) {
        const plain = mixedBytes(1 + below(1e9), size)
        const whole = made(engine, params, plain, size || 1)
        assert.deepEqual(new Uint8Array(inflateRawSync(whole)), plain, `${engine.name} ${params.join()} ${size}`)
        assert.deepEqual(made(engine, params, plain, 1 + below(size || 1)), whole)
      }
    }
  }
})

test('pgzip: each block knows the end of the one before', () => {
  const block = 1 << 20
  const plain = mixedBytes(17, 2 * block + 5)
  // The second block begins with what stands in the last 16 KiB of the first.
  plain.copyWithin(block, block - 16_000, block - 8_000)
  for (const params of [
    [1, 7],
    [4, 7],
    [1, 11],
    [4, 11],
    [1, 0],
  ]) {
    const stream = made(pgzip([]), params, plain, 100_000)
    assert.ok(Buffer.compare(inflateRawSync(stream), plain) === 0, params.join())
  }
})

test('klauspost: places counted anew, before they grow too large, are as far away as before', () => {
  const state = new FastMatches(4, 4, true, true)
  state.add(new Uint8Array(mostDistance + 100))
  state.base = 2 ** 31 - 393_000
  const { short, shortBefore, long } = state.tables
  short[1] = state.base + 200
  shortBefore[1] = state.base + 50
  long[2] = state.base + mostDistance
  state.add(Uint8Array.of(1))
  assert.ok(state.base < 100_000)
  assert.equal(short[1] - state.base, 200)
  assert.equal(shortBefore[1], 0)
  assert.equal(long[2] - state.base, mostDistance)
})
