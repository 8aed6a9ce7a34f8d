// A tarball looked into as it comes: gzip that is whole, and the tar in it. Small ones are inflated at once, larger ones by Node's threads, a piece at a time.
import { createGunzip, type Gunzip, gunzipSync } from 'node:zlib'
import { asBuffer, concatBytes, InputError } from '../../base/index.ts'
import { badTarball, type TarballFiles, TarballWalk, type WalkLimits } from './tarball-walk.ts'

export interface TarballLimits extends WalkLimits {
  /** Of all that is in it. */
  readonly unpackedBytes: number
  /** It may inflate to so many times its size, from `freeBytes` on. */
  readonly times: number
  readonly freeBytes: number
}

/** Inflated on the event loop: some milliseconds at worst. */
const small = { packedBytes: 64 << 10, plainBytes: 1 << 20 }
const pieceBytes = 256 << 10

export class TarballCheck {
  readonly #limits: TarballLimits
  readonly #walk: TarballWalk
  /** Until it is more than a small one has; then it is being inflated. */
  #held: Uint8Array[] = []
  #inflating: Inflating | null = null
  #packedBytes = 0
  #plainBytes = 0

  constructor(limits: TarballLimits) {
    this.#limits = limits
    this.#walk = new TarballWalk(limits)
  }

  /** The next bytes, which are the caller's again when it resolves. InputError 'bad-tarball'. */
  async write(bytes: Uint8Array): Promise<void> {
    this.#packedBytes += bytes.length
    if (this.#inflating !== null) return this.#inflating.write(bytes)
    this.#held.push(new Uint8Array(bytes))
    if (this.#packedBytes > small.packedBytes) await this.#inflateHeld()
  }

  /** What is in it, when all has come. InputError 'bad-tarball'. */
  async end(): Promise<TarballFiles> {
    if (this.#inflating === null && !this.#inflateAtOnce()) await this.#inflateHeld()
    await this.#inflating?.end()
    return this.#walk.end()
  }

  /** Nobody wants to know any more. Harmless behind `end`. */
  close(): void {
    this.#inflating?.close()
  }

  async #inflateHeld(): Promise<void> {
    const held = this.#held
    this.#held = []
    this.#inflating = new Inflating((bytes) => this.#plain(bytes))
    for (const bytes of held) await this.#inflating.write(bytes)
  }

  /** False: it isn't small. */
  #inflateAtOnce(): boolean {
    const packed = asBuffer(concatBytes(this.#held))
    // what its last member says that it holds; what lies is noticed as too large
    if (packed.length < 18 || packed.readUInt32LE(packed.length - 4) > small.plainBytes) return packed.length < 18 ? noGzip() : false
    try {
      const { buffer, engine } = gunzipSync(packed, { maxOutputLength: small.plainBytes, info: true }) as unknown as Inflated
      if (engine.bytesWritten !== packed.length) throw trailing()
      this.#plain(buffer)
      return true
    } catch (error) {
      if (error instanceof RangeError) return false
      throw told(error)
    }
  }

  #plain(bytes: Uint8Array): void {
    this.#plainBytes += bytes.length
    const { unpackedBytes, freeBytes, times } = this.#limits
    if (this.#plainBytes > unpackedBytes) throw badTarball(`unpacks to more than ${unpackedBytes} bytes`)
    if (this.#plainBytes > freeBytes && this.#plainBytes > this.#packedBytes * times)
      throw badTarball(`unpacks to more than ${times} times its size`)
    this.#walk.push(bytes)
  }
}

interface Inflated {
  readonly buffer: Buffer
  readonly engine: { readonly bytesWritten: number }
}

/** Gzip members one behind the other, inflated by Node's threads. */
class Inflating {
  readonly #gunzip: Gunzip = createGunzip({ chunkSize: pieceBytes })
  readonly #closed: Promise<void>
  #written = 0
  #error: unknown = null

  constructor(take: (bytes: Uint8Array) => void) {
    this.#closed = new Promise((resolve) => this.#gunzip.once('close', resolve))
    this.#gunzip.on('error', (error) => (this.#error ??= error))
    this.#gunzip.on('data', (bytes: Uint8Array) => {
      if (this.#error !== null) return
      try {
        take(bytes)
      } catch (error) {
        this.#error = error
        this.#gunzip.destroy()
      }
    })
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#written += bytes.length
    await this.#until((done) => this.#gunzip.write(bytes, done))
  }

  async end(): Promise<void> {
    await this.#until((done) => {
      this.#gunzip.once('end', done)
      this.#gunzip.end()
    })
    if (this.#gunzip.bytesWritten !== this.#written) throw trailing()
  }

  close(): void {
    this.#gunzip.destroy()
  }

  async #until(act: (done: () => void) => void): Promise<void> {
    if (this.#error === null) await Promise.race([new Promise<void>(act), this.#closed])
    if (this.#error !== null) throw told(this.#error)
  }
}

function noGzip(): never {
  throw badTarball('is not a gzip archive')
}

function trailing(): InputError {
  return badTarball('has something behind its gzip data')
}

/** What the packed bytes are to blame for. */
function told(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof InputError || !('errno' in error)) return error
  return new InputError('bad-tarball', `The tarball is not a gzip archive, or a damaged one: ${error.message}`, { cause: error })
}
