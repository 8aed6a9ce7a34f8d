// Blocks: packed where it pays, as they are where not.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { zstdDecompressSync } from 'node:zlib'
import { noise } from '../../tests/support/seeded.ts'
import { packBlock } from './block-packer.ts'
import { Codec } from './format/segment.ts'

const text = Buffer.from(Array.from({ length: 100_000 }, (_, n) => `line ${n}\n`).join('')).subarray(0, 1 << 20)
const pack = (bytes: Uint8Array) => packBlock(bytes, new Uint8Array(32), Uint32Array.of(bytes.length))

test('noise is stored as it is, text is packed', async () => {
  for (const sizeBytes of [0, 1, 100, 65_536, 65_537, 1 << 20]) {
    const raw = await pack(noise(sizeBytes, sizeBytes))
    assert.deepEqual({ codec: raw.codec, length: raw.stored.length }, { codec: Codec.raw, length: sizeBytes })
  }
  const packed = await pack(text)
  assert.equal(packed.codec, Codec.zstd)
  assert.ok(packed.stored.length < text.length / 3)
  assert.equal(Buffer.compare(zstdDecompressSync(packed.stored), text), 0)
})

test('text around noise is packed: one sample from the middle took the whole for noise', async () => {
  const mixed = Buffer.from(text)
  mixed.set(noise(1, 400_000), 320_000)
  const packed = await pack(mixed)
  assert.equal(packed.codec, Codec.zstd)
  assert.ok(packed.stored.length < 700_000, `${packed.stored.length} bytes`)
})
