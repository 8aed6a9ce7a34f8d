// A layer's tar out of what it is packed in: gzip, zstd, or nothing. By its first bytes: media types are what somebody said.
import { Readable, type Transform, pipeline } from 'node:stream'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { InputError } from '../../base/index.ts'
import { ByteInput } from './byte-input.ts'
import { freeInflatedBytes, mostInflatedBytes, mostInflation } from './limits.ts'
import { isZstd, notPacked, zstdFrames } from './zstd-frames.ts'

export interface UnpackLimits {
  readonly bytes: number
  /** How many times its size it may unpack to, from `freeBytes` on. */
  readonly times: number
  readonly freeBytes: number
}

const unpackLimits: UnpackLimits = { bytes: mostInflatedBytes, times: mostInflation, freeBytes: freeInflatedBytes }

/** A layer's tar. InputError `not-a-layer` where it can't be unpacked, `too-large`; what the source throws. */
export async function* unpacked(source: AsyncIterable<Uint8Array>, limits = unpackLimits): AsyncGenerator<Uint8Array, void, undefined> {
  let packedBytes = 0
  let plainBytes = 0
  const input = new ByteInput(counted(source, (bytes) => (packedBytes += bytes)))
  try {
    for await (const piece of plain(input)) {
      plainBytes += piece.length
      if (plainBytes > limits.bytes || (plainBytes > limits.freeBytes && plainBytes > packedBytes * limits.times)) {
        throw new InputError('too-large', `the layer unpacks to more than ${limits.bytes} bytes, or ${limits.times} times its size`)
      }
      yield piece
    }
  } finally {
    await input.end()
  }
}

async function* counted(source: AsyncIterable<Uint8Array>, count: (bytes: number) => void): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const piece of source) {
    count(piece.length)
    yield piece
  }
}

async function* plain(input: ByteInput): AsyncGenerator<Uint8Array, void, undefined> {
  const [first, second] = await input.look(4)
  if (first === 0x1f && second === 0x8b) return yield* through(input.rest(), createGunzip({ chunkSize: pieceBytes }))
  if (!isZstd(await input.look(4))) return yield* input.rest()
  // Node's stream ends with the first frame
  for await (const { isSkipped, pieces } of zstdFrames(input)) {
    if (isSkipped) await drain(pieces)
    else yield* through(pieces, createZstdDecompress({ chunkSize: pieceBytes }))
  }
}

const pieceBytes = 256 << 10

async function drain(source: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of source);
}

async function* through(source: AsyncIterable<Uint8Array>, unpacking: Transform): AsyncGenerator<Uint8Array, void, undefined> {
  pipeline(Readable.from(source), unpacking, () => {}) // an error comes out of `unpacking`, too
  try {
    for await (const piece of unpacking) yield piece as Uint8Array
  } catch (error) {
    if (error instanceof Error && 'errno' in error && /^(Z_|ZSTD_|ERR_ZLIB)/.test(String((error as { code?: unknown }).code))) {
      throw notPacked(error.message, error)
    }
    throw error
  } finally {
    unpacking.destroy()
  }
}
