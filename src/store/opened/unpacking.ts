// A layer's tar out of what it is packed in: gzip, zstd, or nothing. By its first bytes: media types are what somebody said.
import { Readable, type Transform, pipeline } from 'node:stream'
import { createGunzip, createZstdDecompress, zstdDecompressSync } from 'node:zlib'
import { concatBytes, InputError } from '../../base/index.ts'
import { ByteInput } from './byte-input.ts'
import { freeFrames, freeInflatedBytes, leastListedFrameBytes, mostInflatedBytes, mostInflation, mostListedFrames } from './limits.ts'
import { isZstd, notPacked, zstdFrames } from './zstd-frames.ts'

export interface UnpackLimits {
  readonly bytes: number
  /** How many times its size it may unpack to, from `freeBytes` on. */
  readonly times: number
  readonly freeBytes: number
}

const unpackLimits: UnpackLimits = { bytes: mostInflatedBytes, times: mostInflation, freeBytes: freeInflatedBytes }

/** A layer's tar. InputError `not-a-layer` where it can't be unpacked, `too-large`, `too-many-members`; what the source throws. */
export async function* unpacked(source: AsyncIterable<Uint8Array>, limits = unpackLimits): AsyncGenerator<Uint8Array, void, undefined> {
  let packedBytes = 0
  let plainBytes = 0
  const input = new ByteInput(counted(source, (bytes) => (packedBytes += bytes)))
  try {
    for await (const piece of plain(input, () => packedBytes)) {
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

async function* plain(input: ByteInput, packedBytes: () => number): AsyncGenerator<Uint8Array, void, undefined> {
  const [first, second] = await input.look(4)
  if (first === 0x1f && second === 0x8b) return yield* through(input.rest(), createGunzip({ chunkSize: pieceBytes }))
  if (!isZstd(await input.look(4))) return yield* input.rest()
  let frames = 0
  for await (const { isSkipped, pieces } of zstdFrames(input)) {
    // each costs the same, however little is in it
    if (++frames > Math.min(mostListedFrames, Math.max(freeFrames, packedBytes() / leastListedFrameBytes))) {
      throw new InputError(
        'too-many-members',
        `the layer has more than ${mostListedFrames} zstd frames, or one in ${leastListedFrameBytes} bytes`,
      )
    }
    if (isSkipped) await drain(pieces)
    else yield* frameOf(pieces)
  }
}

const pieceBytes = 256 << 10
/** What is unpacked at once: a stream for each frame takes ten times as long. */
const smallFrame = { packedBytes: 32 << 10, plainBytes: 1 << 20 }

/** Node's stream ends with the first frame. */
async function* frameOf(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const source = pieces[Symbol.asyncIterator]()
  const held: Uint8Array[] = []
  for (let bytes = 0; bytes <= smallFrame.packedBytes; bytes += (held.at(-1) as Uint8Array).length) {
    const { done, value } = await source.next()
    if (done !== true) {
      held.push(value)
      continue
    }
    const plain = unpackedAtOnce(concatBytes(held))
    if (plain !== null) return yield plain
    break
  }
  yield* through(both(held, { [Symbol.asyncIterator]: () => source }), createZstdDecompress({ chunkSize: pieceBytes }))
}

/** Null: it is too much for that. */
function unpackedAtOnce(frame: Uint8Array): Uint8Array | null {
  try {
    return zstdDecompressSync(frame, { maxOutputLength: smallFrame.plainBytes })
  } catch (error) {
    if (error instanceof RangeError) return null
    throw told(error)
  }
}

async function* both(held: readonly Uint8Array[], rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  yield* held
  yield* rest
}

async function drain(source: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of source);
}

async function* through(source: AsyncIterable<Uint8Array>, unpacking: Transform): AsyncGenerator<Uint8Array, void, undefined> {
  pipeline(Readable.from(source), unpacking, () => {}) // an error comes out of `unpacking`, too
  try {
    for await (const piece of unpacking) yield piece as Uint8Array
  } catch (error) {
    throw told(error)
  } finally {
    unpacking.destroy()
  }
}

/** What the packed bytes are to blame for. */
function told(error: unknown): unknown {
  if (error instanceof Error && 'errno' in error && /^(Z_|ZSTD_|ERR_ZLIB)/.test(String((error as { code?: unknown }).code))) {
    return notPacked(error.message, error)
  }
  return error
}
