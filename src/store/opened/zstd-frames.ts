// The frames of a zstd stream (RFC 8878 §3.1), told apart without inflating them.
import { asBuffer, InputError } from '../../base/index.ts'
import type { ByteInput } from './byte-input.ts'

const zstdMagic = 0xfd2fb528

/** Begins as zstd's frames do, also those that are to be skipped. */
export function isZstd(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && (asBuffer(bytes).readUInt32LE() === zstdMagic || isSkipped(bytes))
}

function isSkipped(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && (asBuffer(bytes).readUInt32LE() & 0xfffffff0) >>> 0 === 0x184d2a50
}

export interface ZstdFrame {
  /** It holds nothing of what is packed. */
  readonly isSkipped: boolean
  /** All of it; to be read before the next frame is asked for. */
  readonly pieces: AsyncIterable<Uint8Array>
}

/** InputError `not-a-layer` for what is none, or ends within one. */
export async function* zstdFrames(input: ByteInput): AsyncGenerator<ZstdFrame, void, undefined> {
  for (;;) {
    const head = await input.look(4)
    if (head.length === 0) return
    if (!isZstd(head)) throw notPacked('something stands behind its end')
    yield isSkipped(head) ? { isSkipped: true, pieces: skippedFrame(input) } : { isSkipped: false, pieces: frame(input) }
  }
}

async function* skippedFrame(input: ByteInput): AsyncGenerator<Uint8Array, void, undefined> {
  const head = asBuffer(await input.take(8))
  if (head.length < 8) throw notPacked('it ends too early')
  yield head
  yield* input.pieces(head.readUInt32LE(4))
}

/** A header, blocks up to the last one, a sum if the header says so. Blocks go on as they came together: one by one they would cost as much as large ones, however little is in them. */
async function* frame(input: ByteInput): AsyncGenerator<Uint8Array, void, undefined> {
  const flags = (await input.look(5))[4] ?? 0
  const isSingle = (flags & 0x20) !== 0
  const idBytes = [0, 1, 2, 4][flags & 3] as number
  const sizeBytes = [isSingle ? 1 : 0, 2, 4, 8][flags >>> 6] as number
  yield await input.take(5 + (isSingle ? 0 : 1) + idBytes + sizeBytes)
  const blocks = new Blocks()
  while (!blocks.haveEnded) {
    const bytes = await input.some()
    if (bytes === null) throw notPacked('it ends too early')
    const passed = blocks.pass(bytes)
    input.giveBack(bytes.subarray(passed))
    yield bytes.subarray(0, passed)
  }
  if ((flags & 4) !== 0) yield await input.take(4)
}

/** The blocks of one frame, as far as it takes to see where they end. */
class Blocks {
  #leftBytes = 0
  #head = 0
  #headBytes = 0
  #isLast = false

  get haveEnded(): boolean {
    return this.#isLast && this.#leftBytes === 0
  }

  /** How many of the bytes are theirs: fewer than all only where they end. */
  pass(bytes: Uint8Array): number {
    let at = 0
    while (at < bytes.length && !this.haveEnded) {
      if (this.#leftBytes > 0) {
        const count = Math.min(this.#leftBytes, bytes.length - at)
        this.#leftBytes -= count
        at += count
        continue
      }
      this.#head |= (bytes[at++] as number) << (8 * this.#headBytes)
      if (++this.#headBytes === 3) this.#begin()
    }
    return at
  }

  #begin(): void {
    const isRun = ((this.#head >>> 1) & 3) === 1
    this.#isLast = (this.#head & 1) === 1
    this.#leftBytes = isRun ? 1 : this.#head >>> 3
    this.#head = 0
    this.#headBytes = 0
  }
}

export function notPacked(what: string, cause?: Error): InputError {
  return new InputError('not-a-layer', `the layer can't be unpacked: ${what}`, { cause })
}
