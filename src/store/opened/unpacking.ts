// A layer's tar out of what it is packed in: gzip, zstd, or nothing. By its first bytes: media types are what somebody said.
import { Readable, type Transform, pipeline } from 'node:stream'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { asBuffer, InputError } from '../../base/index.ts'
import { ByteInput } from './byte-input.ts'
import { freeInflatedBytes, mostInflatedBytes, mostInflation } from './limits.ts'

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
  while ((await input.look(4)).length > 0) {
    const isSkippable = isSkipped(await input.look(4))
    if (!isSkippable && !isZstd(await input.look(4))) throw damaged('something stands behind its end')
    // Node's stream ends with the first frame
    if (isSkippable) await drain(skippedFrame(input))
    else yield* through(frame(input), createZstdDecompress({ chunkSize: pieceBytes }))
  }
}

const pieceBytes = 256 << 10
const zstdMagic = 0xfd2fb528

/** Begins as zstd's frames do, also those that are to be skipped. */
export function isZstd(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && (asBuffer(bytes).readUInt32LE() === zstdMagic || isSkipped(bytes))
}

function isSkipped(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && (asBuffer(bytes).readUInt32LE() & 0xfffffff0) >>> 0 === 0x184d2a50
}

async function* skippedFrame(input: ByteInput): AsyncGenerator<Uint8Array, void, undefined> {
  const head = asBuffer(await input.take(8))
  if (head.length < 8) throw damaged('it ends too early')
  yield* input.pieces(head.readUInt32LE(4))
}

async function drain(source: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of source);
}

/** One frame's bytes (RFC 8878 §3.1.1): a header, blocks up to the last one, a sum if the header says so. */
async function* frame(input: ByteInput): AsyncGenerator<Uint8Array, void, undefined> {
  const flags = (await input.look(5))[4] ?? 0
  const isSingle = (flags & 0x20) !== 0
  const idBytes = [0, 1, 2, 4][flags & 3] as number
  const sizeBytes = [isSingle ? 1 : 0, 2, 4, 8][flags >>> 6] as number
  yield await input.take(5 + (isSingle ? 0 : 1) + idBytes + sizeBytes)
  for (let isLast = false; !isLast; ) {
    const [low = 0, middle = 0, high = 0] = await input.look(3)
    isLast = (low & 1) === 1
    const isRun = ((low >>> 1) & 3) === 1
    const size = (low >>> 3) | (middle << 5) | (high << 13)
    const bytes = await input.take(3)
    if (bytes.length < 3) throw damaged('it ends too early')
    yield bytes
    yield* input.pieces(isRun ? 1 : size)
  }
  if ((flags & 4) !== 0) yield await input.take(4)
}

async function* through(source: AsyncIterable<Uint8Array>, unpacking: Transform): AsyncGenerator<Uint8Array, void, undefined> {
  pipeline(Readable.from(source), unpacking, () => {}) // an error comes out of `unpacking`, too
  try {
    for await (const piece of unpacking) yield piece as Uint8Array
  } catch (error) {
    if (error instanceof Error && 'errno' in error && /^(Z_|ZSTD_|ERR_ZLIB)/.test(String((error as { code?: unknown }).code))) {
      throw damaged(error.message, error)
    }
    throw error
  } finally {
    unpacking.destroy()
  }
}

function damaged(what: string, cause?: Error): InputError {
  return new InputError('not-a-layer', `the layer can't be unpacked: ${what}`, { cause })
}
