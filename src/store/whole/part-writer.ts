// A part on its way into the bucket: frames, their sums, and the footer behind them. Small ones are one PUT out of memory, others a file that grows.
// Whoever writes one has its intent row, and discards the key where nothing came of it.
import { concatBytes } from '../../base/index.ts'
import { wholeKey } from '../../bucket/index.ts'
import { type EarlierPart, encodeFooter, isPlain } from '../format/whole.ts'
import { discardKey, type SegmentParts } from '../segment-writer.ts'
import { SpooledValue } from '../spooled-value.ts'
import type { FrameLines, FrameTarget } from './frame-lines.ts'
import type { Frame } from './frames.ts'
import type { RunningHashes } from './running-hashes.ts'

/** A part whose bytes are durable, and which no row names yet. */
export interface StagedPart {
  readonly uuid: string
  readonly sizeBytes: number
  /** Of its key. */
  readonly storedBytes: number
  readonly sums: Uint8Array
  /** It can be found from the key which content ends here. */
  readonly hasDigest: boolean
}

/** What the footer says of the content that ends here. */
export interface PartEnd {
  /** SHA-256; null where it isn't known. */
  readonly digest: Uint8Array | null
  readonly earlier: readonly EarlierPart[]
}

/** What a part is made with. */
export interface PartParts extends SegmentParts {
  readonly lines: FrameLines
}

export class PartWriter {
  readonly #parts: PartParts
  readonly #uuid: string
  readonly #sums: number[] = []
  #sizeBytes = 0
  /** The first frame waits in memory for a second. */
  #first: Frame | null = null
  #value: SpooledValue | null = null
  #writing: Promise<void> = Promise.resolve()
  #mayComeLater = false

  constructor(parts: PartParts, uuid: string) {
    this.#parts = parts
    this.#uuid = uuid
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** Takes the frame, and frees it. While it is hashed and written the next one may come. @param hashes null: nobody wants to know */
  async add(frame: Frame, hashes: RunningHashes | null): Promise<void> {
    if (frame.bytes.length === 0) return frame.free()
    this.#sizeBytes += frame.bytes.length
    if (this.#first === null && this.#value === null) {
      this.#first = frame
      this.#sums.push(await this.#sum(frame, hashes, null))
      return
    }
    if (this.#value === null) {
      this.#value = await SpooledValue.begin(this.#parts.bucket, wholeKey(this.#uuid), `${this.#uuid}.whole`)
      await this.#value.write(this.#first?.bytes ?? new Uint8Array())
      this.#first?.free()
      this.#first = null
    }
    await this.#writing
    this.#writing = this.#write(this.#value, frame, hashes)
    this.#writing.catch(() => {}) // thrown where it is waited for
  }

  /** Resolves when all is durable. Where it fails, `abort` is to follow. */
  async complete(end: PartEnd): Promise<StagedPart> {
    await this.#writing
    const sums = new Uint8Array(Uint32Array.from(this.#sums).buffer)
    const isAlone = isPlain(this.#uuid)
    if (isAlone && end.earlier.length > 0) throw new RangeError('a plain part stands at the beginning')
    const footer = isAlone ? new Uint8Array() : encodeFooter({ sizeBytes: this.#sizeBytes, sums, ...end })
    if (this.#value === null) {
      this.#mayComeLater = true
      await this.#parts.bucket.put(wholeKey(this.#uuid), concatBytes([this.#first?.bytes ?? new Uint8Array(), footer]))
      this.#mayComeLater = false
      this.#first?.free()
      this.#first = null
    } else {
      if (footer.length > 0) await this.#value.write(footer)
      await this.#value.complete()
    }
    return {
      uuid: this.#uuid,
      sizeBytes: this.#sizeBytes,
      storedBytes: this.#sizeBytes + footer.length,
      sums,
      hasDigest: isAlone || end.digest !== null,
    }
  }

  /** Gives it up; never throws. */
  async abort(): Promise<void> {
    this.#first?.free()
    this.#first = null
    await this.#writing.catch(() => {})
    await this.#value?.abort()
    await discardKey(this.#parts, wholeKey(this.#uuid), this.#mayComeLater || (this.#value?.mayComeLater ?? false))
  }

  async #write(value: SpooledValue, frame: Frame, hashes: RunningHashes | null): Promise<void> {
    try {
      this.#sums.push(await value.writeWith(frame.bytes.length, (target) => this.#sum(frame, hashes, target)))
      value.advance()
    } finally {
      frame.free()
    }
  }

  async #sum({ bytes }: Frame, hashes: RunningHashes | null, target: FrameTarget | null): Promise<number> {
    return hashes === null ? await this.#parts.lines.line().add(bytes, null, target) : await hashes.add(bytes, target)
  }
}
