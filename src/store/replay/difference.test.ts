// The difference: any stream told by its corrections and made again; bad streams and bad corrections refused.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib'
import { compileKernel } from '../../../kernels/index.ts'
import { concatBytes, CorruptError, InputError } from '../../base/index.ts'
import { DifferenceEncoder } from './difference-encoder.ts'
import { difference, differenceParams, nearestParams } from './difference-engine.ts'
import { DifferenceMaker, MOST_CORRECTION_BYTES } from './difference.ts'
import { mixedBytes, numbersFrom } from './golden.ts'
import { Replay, replayEngines, sharedVectors } from './index.ts'
import { klauspost } from './klauspost.ts'
import { MatchSpaces } from './match-space.ts'

const kernel = compileKernel()
const spaces = new MatchSpaces(kernel)

function corrected(params: readonly number[], deflated: Uint8Array, pieceBytes: number): Uint8Array {
  const maker = new DifferenceMaker(spaces, params, MOST_CORRECTION_BYTES)
  for (let at = 0; at < deflated.length; at += pieceBytes) maker.push(deflated.subarray(at, at + pieceBytes))
  return maker.end()
}

function remade(params: readonly number[], corrections: Uint8Array, plain: Uint8Array, pieceBytes: number): Uint8Array {
  const encoder = new DifferenceEncoder(spaces, Uint8Array.from(params), corrections)
  const pieces: Uint8Array[] = []
  for (let at = 0; at < plain.length; at += pieceBytes) pieces.push(...encoder.push(plain.subarray(at, at + pieceBytes)))
  return concatBytes([...pieces, ...encoder.end()])
}

test('difference: streams of every kind are made again, whatever pieces they came in', () => {
  const below = numbersFrom(8)
  const kinds: ((plain: Uint8Array) => Uint8Array)[] = [
    (plain) => deflateRawSync(plain, { level: 6 }),
    (plain) => deflateRawSync(plain, { level: 1 }),
    (plain) => deflateRawSync(plain, { level: 0 }),
    (plain) => deflateRawSync(plain, { strategy: constants.Z_FIXED }),
    (plain) => deflateRawSync(plain, { strategy: constants.Z_HUFFMAN_ONLY }),
    (plain) => deflateRawSync(plain, { level: 4, memLevel: 1, windowBits: 9 }),
    (plain) => {
      const encoder = klauspost([]).encoder(Uint8Array.of(1, 7))
      return concatBytes([...encoder.push(plain), ...encoder.end()])
    },
  ]
  for (const [i, kind] of kinds.entries()) {
    for (const size of [0, 1, 3, 299, 700, 40_000, 250_000]) {
      const plain = mixedBytes(1 + below(1e9), size)
      const deflated = kind(plain)
      const params =
        [
          [6, 0],
          [1, 1],
          [9, 2],
        ][below(3)] ?? []
      const corrections = corrected(params, deflated, 1 + below(deflated.length))
      assert.ok(Buffer.compare(remade(params, corrections, plain, 1 + below(size || 1)), deflated) === 0, `kind ${i}, ${size} bytes`)
    }
  }
})

test('difference: what a stored block holds is met again in the same places, whatever pieces it came in', () => {
  const below = numbersFrom(5)
  const noise = Uint8Array.from({ length: 60_000 }, () => below(256))
  // what stands on both sides of each place where a piece may end, once more
  const again = Array.from({ length: 20 }, (_, i) => [...noise.subarray(40_000 + i * 1000 - 12, 40_000 + i * 1000 + 12), 65 + (i % 7)])
  const plain = Uint8Array.from([
    ...noise,
    ...again.flatMap((piece) => [0, 1, 2, 3, 4, 5].flatMap((shift) => [...piece.slice(shift + 5), shift])),
  ])
  const deflated = deflateRawSync(plain, { level: 6 })
  for (const params of differenceParams) {
    const whole = corrected(params, deflated, deflated.length)
    for (const madePieceBytes of [700, 65_536]) {
      const corrections = corrected(params, deflated, madePieceBytes)
      assert.deepEqual(corrections, whole, `params ${params.join('.')}, made of pieces of ${madePieceBytes}`)
      for (const pieceBytes of [7, 1000, 4096, 65_536]) {
        const what = `params ${params.join('.')}, pieces of ${madePieceBytes} and ${pieceBytes}`
        assert.ok(Buffer.compare(remade(params, corrections, plain, pieceBytes), deflated) === 0, what)
      }
    }
  }
})

test('difference: the longest of repeats, which are more bytes ahead than the predictor holds', () => {
  const below = numbersFrom(5)
  const repeats = Array.from({ length: 12 }, () => {
    const period = Uint8Array.from({ length: 100 + below(900) }, () => below(256))
    return Uint8Array.from({ length: 300_000 + below(200_000) }, (_, i) => period[i % period.length] as number)
  })
  const plain = concatBytes(repeats)
  const deflated = deflateRawSync(plain, { level: 6 })
  const sizes = [100, 4096, 65_536].map((pieceBytes) => {
    const corrections = corrected([6, 0], deflated, pieceBytes)
    assert.ok(Buffer.compare(remade([6, 0], corrections, plain, 65_536), deflated) === 0, `pieces of ${pieceBytes}`)
    return corrections.length
  })
  assert.deepEqual(sizes, [sizes[0], sizes[0], sizes[0]])
})

test('difference: a stream that zlib made takes few corrections', () => {
  const engines = new Replay(replayEngines(kernel), sharedVectors())
  const plain = mixedBytes(31, 1_000_000)
  const deflated = deflateRawSync(plain, { level: 6, strategy: constants.Z_FILTERED })
  assert.deepEqual(engines.identify({ plain, isWhole: true, deflated, clue: null }), [])
  const recipe = engines.nearest(deflated.subarray(0, 100_000))
  assert.ok(recipe)
  const maker = new DifferenceMaker(spaces, [...recipe.params], deflated.length)
  maker.push(deflated)
  const corrections = maker.end()
  assert.ok(corrections.length < deflated.length / 10, `${corrections.length} of ${deflated.length}`)
  const encoder = engines.encoder(recipe, corrections)
  assert.ok(Buffer.compare(concatBytes([...encoder.push(plain), ...encoder.end()]), deflated) === 0)
})

test('difference: what is no stream is refused, and what differs too much', () => {
  const isRefused = (code: string) => (error: unknown) => error instanceof InputError && error.code === code
  const plain = mixedBytes(32, 200_000)
  const deflated = deflateRawSync(plain)
  assert.throws(() => corrected([6, 0], deflated.subarray(0, -1), 1000), isRefused('deflate'))
  assert.throws(() => corrected([6, 0], concatBytes([deflated, Uint8Array.of(0)]), 1000), isRefused('deflate'))
  assert.throws(() => corrected([6, 0], Uint8Array.of(7), 1), isRefused('deflate'))
  const below = numbersFrom(3)
  for (let i = 0; i < 60; i++) {
    const broken = deflated.slice(0, 20_000)
    broken[below(300)] = below(256)
    assert.throws(() => corrected([6, 0], broken, 5000), isRefused('deflate'))
  }
  const maker = new DifferenceMaker(spaces, [6, 0], 4096)
  assert.throws(() => maker.push(deflateRawSync(plain, { level: 1 })), isRefused('difference-size'))
})

test('difference: corrections that are none, or are for other bytes, are told as corruption', () => {
  const plain = mixedBytes(33, 100_000)
  const corrections = corrected([6, 0], deflateRawSync(plain, { level: 5 }), 1000)
  const raw = inflateRawSync(corrections)
  const below = numbersFrom(5)
  assert.throws(() => remade([6, 0], Uint8Array.of(255, 1, 2), plain, 1000), CorruptError)
  assert.throws(() => remade([6, 0], corrections, plain.subarray(0, -1), 1000), CorruptError)
  assert.throws(() => remade([6, 0], corrections, concatBytes([plain, plain]), 1000), CorruptError)
  for (let i = 0; i < 200; i++) {
    const broken = Uint8Array.from(raw)
    broken[below(broken.length)] = below(256)
    try {
      remade([6, 0], deflateRawSync(broken), plain, 10_000)
    } catch (error) {
      assert.ok(error instanceof CorruptError, String(error))
    }
  }
})

test('difference: the nearest parameters are those of the maker', () => {
  const plain = mixedBytes(34, 400_000)
  const maker = difference([], spaces)
  assert.equal(maker.candidates(null).length, 0)
  // Node's zlib has another hash than the original: the level is found all the same.
  assert.equal(nearestParams(spaces, deflateRawSync(plain, { level: 1 }).subarray(0, 100_000))[0], 1)
})
