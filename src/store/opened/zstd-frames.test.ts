// Frames of zstd streams told apart, in pieces of any size; what little costs when there is much of it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { zstdCompressSync } from 'node:zlib'
import { numbersFrom } from '../replay/golden.ts'
import { ByteInput } from './byte-input.ts'
import { zstdFrames } from './zstd-frames.ts'

async function* inPieces(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function framesOf(
  source: AsyncIterable<Uint8Array>,
): Promise<{ readonly bytes: Buffer; readonly pieces: number; readonly isSkipped: boolean }[]> {
  const frames = []
  for await (const { isSkipped, pieces } of zstdFrames(new ByteInput(source))) {
    const held: Uint8Array[] = []
    for await (const piece of pieces) held.push(new Uint8Array(piece))
    frames.push({ bytes: Buffer.concat(held), pieces: held.length, isSkipped })
  }
  return frames
}

test('frames are told apart wherever their pieces end', async () => {
  const below = numbersFrom(11)
  const noise = Uint8Array.from({ length: 300_000 }, () => below(256))
  const skipped = Buffer.from([0x5f, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3])
  const frames = [
    zstdCompressSync(noise),
    skipped,
    zstdCompressSync(Buffer.alloc(1_000_000)), // blocks of one byte
    zstdCompressSync(Buffer.alloc(0)),
    zstdCompressSync(Buffer.from('with a sum'), { params: { 201: 1 } }), // ZSTD_c_checksumFlag
  ]
  for (const size of [1, 2, 3, 5, 1000, 1 << 20]) {
    const told = await framesOf(inPieces(Buffer.concat(frames), size))
    assert.deepEqual(
      told.map(({ bytes }) => bytes.toString('hex')),
      frames.map((frame) => frame.toString('hex')),
      `pieces of ${size}`,
    )
    assert.deepEqual(
      told.map(({ isSkipped }) => isSkipped),
      [false, true, false, false, false],
    )
  }
})

test('a frame of a hundred thousand blocks of nothing is as many pieces as it came in', async () => {
  const blocks = Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0x58]), Buffer.alloc(300_000), Buffer.from([1, 0, 0])])
  const [frame, ...others] = await framesOf(inPieces(blocks, 50_000))
  assert.deepEqual(others, [])
  assert.ok(frame !== undefined && frame.bytes.equals(blocks))
  assert.ok(frame.pieces < 10, `${frame.pieces} pieces`)
})
