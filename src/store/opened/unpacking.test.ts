// What layers are packed in, in one piece and in many, whole and damaged.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { tarMember } from '../../../tests/support/tar.ts'
import { InputError } from '../../base/index.ts'
import { unpacked } from './unpacking.ts'

const content = Buffer.concat([randomBytes(300_000), Buffer.alloc(500_000, 'a'), randomBytes(1000)])
const skipped = Buffer.from([0x53, 0x2a, 0x4d, 0x18, 5, 0, 0, 0, 1, 2, 3, 4, 5])

async function* inPieces(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function unpack(bytes: Uint8Array, size = 1000): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of unpacked(inPieces(bytes, size))) pieces.push(piece)
  return Buffer.concat(pieces)
}

const [head, tail] = [content.subarray(0, 400_000), content.subarray(400_000)]
const packed: Readonly<Record<string, Uint8Array>> = {
  nothing: content,
  gzip: gzipSync(content),
  'gzip of two members': Buffer.concat([gzipSync(head), gzipSync(tail)]),
  zstd: zstdCompressSync(content),
  'zstd of several frames, some to be skipped': Buffer.concat([skipped, zstdCompressSync(head), skipped, zstdCompressSync(tail), skipped]),
}

for (const [name, bytes] of Object.entries(packed)) {
  test(`packed in ${name}`, async () => {
    for (const size of [997, 1 << 20]) assert.ok(content.equals(await unpack(bytes, size)), `pieces of ${size}`)
  })
}

test('a frame for each file, as zstd:chunked has it: the smallest ones, and one that is packed well', async () => {
  const plain = Array.from({ length: 3000 }, (_, n) => tarMember({ name: `some/folder/${n}`, body: Buffer.from([n & 255]) }))
  const frames = plain.flatMap((member) => [member.subarray(0, 512), member.subarray(512)]).concat(Buffer.alloc(3 << 20))
  const layer = Buffer.concat(frames.map((frame) => zstdCompressSync(frame)))
  assert.ok(layer.length / frames.length < 70, 'they are small')
  assert.ok(Buffer.concat(frames).equals(await unpack(layer, 60_000)))
})

test('frames of nothing are let go, skipped ones too: each costs what a full one does', async () => {
  for (const frame of [Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x20, 0, 1, 0, 0]), skipped]) {
    let taken = 0
    const source = async function* () {
      for (let n = 0; n < 1000; n++, taken++) yield Buffer.concat(Array.from({ length: 100 }, () => frame))
    }
    const taking = async () => {
      for await (const _ of unpacked(source()));
    }
    await assert.rejects(taking(), (error) => error instanceof InputError && error.code === 'too-many-members')
    assert.ok(taken < 12, `${taken} hundred frames had come`)
  }
})

test('nothing at all is an empty layer', async () => assert.equal((await unpack(new Uint8Array())).length, 0))

test('what is cut off, or followed by something else, is no layer', async () => {
  const bad = [
    gzipSync(content).subarray(0, -9),
    zstdCompressSync(content).subarray(0, -9),
    Buffer.concat([zstdCompressSync(content), Buffer.from('more')]),
    Buffer.concat([skipped, Buffer.from([0x53, 0x2a])]),
    zstdCompressSync(Buffer.from('a frame that is unpacked at once')).subarray(0, -3),
    Buffer.concat([zstdCompressSync(head), Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x20, 5, 7, 0, 0])]),
    Buffer.concat([gzipSync(head).subarray(0, 5000), randomBytes(5000)]),
  ]
  for (const bytes of bad) await assert.rejects(unpack(bytes), (error) => error instanceof InputError && error.code === 'not-a-layer')
})

test('a bomb is let go', async () => {
  const limits = { bytes: 2 ** 40, times: 200, freeBytes: 1 << 20 }
  for (const bomb of [gzipSync(Buffer.alloc(64 << 20)), zstdCompressSync(Buffer.alloc(64 << 20))]) {
    let plainBytes = 0
    const taking = async () => {
      for await (const piece of unpacked(inPieces(bomb, 512), limits)) plainBytes += piece.length
    }
    await assert.rejects(taking(), (error) => error instanceof InputError && error.code === 'too-large')
    assert.ok(plainBytes < 32 << 20, `${plainBytes} bytes had come`)
  }
})

test('what the source throws is told as it is', async () => {
  const failing = async function* () {
    yield gzipSync(content).subarray(0, 5000)
    throw new RangeError('the source')
  }
  await assert.rejects(async () => {
    for await (const _ of unpacked(failing()));
  }, RangeError)
})
