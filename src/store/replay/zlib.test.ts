// The original zlib's streams: those of Python's zlib, which is it, of every kind of level, whatever they hold, and whatever pieces they are made in.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, test } from 'node:test'
import { inflateRawSync } from 'node:zlib'
import { noise } from '../../../tests/support/seeded.ts'
import { compileKernel } from '../../../kernels/index.ts'
import { concatBytes } from '../../base/index.ts'
import { mixedBytes } from './golden.ts'
import { MatchSpaces } from './match-space.ts'
import { Replay, replayEngines, sharedVectors } from './index.ts'
import { zlib } from './zlib.ts'

const engine = zlib([], new MatchSpaces(compileKernel()))
const replay = new Replay(replayEngines(compileKernel()), sharedVectors())

/** Null where Python has another zlib: a fork makes other streams. */
const version = spawnSync('python3', ['-c', 'import zlib; print(zlib.ZLIB_RUNTIME_VERSION)'], { encoding: 'utf8' })
const skip =
  version.error !== undefined || !/^1\.[23]\.[\d.]+\s*$/.test(version.stdout) ? 'Python with the original zlib is not installed' : false

function made(plain: Uint8Array, level: number, pieceBytes = plain.length): Buffer {
  const encoder = engine.encoder(Uint8Array.of(level, 8))
  const pieces: Uint8Array[] = []
  for (let at = 0; at < plain.length; at += pieceBytes) pieces.push(...encoder.push(plain.subarray(at, at + pieceBytes)))
  return Buffer.from(concatBytes([...pieces, ...encoder.end()]))
}

function pythons(plain: Uint8Array, level: number): Buffer {
  const program = `import sys, zlib
c = zlib.compressobj(${level}, zlib.DEFLATED, -15)
sys.stdout.buffer.write(c.compress(sys.stdin.buffer.read()) + c.flush())`
  const done = spawnSync('python3', ['-c', program], { input: plain, maxBuffer: 2 ** 30 })
  assert.equal(done.status, 0, String(done.stderr))
  return done.stdout
}

const kinds: Readonly<Record<string, Uint8Array>> = {
  nothing: new Uint8Array(),
  'one byte': Uint8Array.of(7),
  'one match at the end': Buffer.from('abcdefabcdef'),
  zeros: new Uint8Array(200_000),
  'noise, which is stored': noise(1, 100_000),
  'noise in stored blocks between text': concatBytes([mixedBytes(3, 40_000), noise(2, 40_000), mixedBytes(4, 40_000)]),
  // codes as long as they may be: lengths are moved
  'few values, each twice as often as the next': Uint8Array.from({ length: 120_000 }, (_, n) =>
    Math.min(31, Math.clz32(Math.imul(n, 0x9e3779b1))),
  ),
  'text and numbers, repeated near and far': mixedBytes(11, 3_000_000),
  'a full block of literals to the end': noise(5, 16_383).map((byte) => byte & 127),
}

describe('zlib: the same streams as Python makes', { skip }, () => {
  for (const [name, plain] of Object.entries(kinds)) {
    test(name, () => {
      for (const level of [1, 3, 4, 6, 9]) {
        const expected = pythons(plain, level)
        assert.ok(made(plain, level).equals(expected), `level ${level}`)
        assert.ok(made(plain, level, 10_007).equals(expected), `level ${level}, in pieces`)
      }
    })
  }
})

test('zlib: a stream is one, and is identified by its first bytes or whole', () => {
  const plain = mixedBytes(12, 300_000)
  for (const clue of [null, { xfl: 0, os: 3 }, { xfl: 2, os: 255 }]) {
    const deflated = made(plain, 9)
    assert.deepEqual(Buffer.from(inflateRawSync(deflated)), Buffer.from(plain))
    for (const isWhole of [true, false]) {
      const [recipe] = replay.identify({ plain: isWhole ? plain : plain.subarray(0, 150_000), isWhole, deflated, clue })
      assert.equal(recipe === undefined ? null : replay.describe(recipe), 'zlib level 9')
    }
  }
})
