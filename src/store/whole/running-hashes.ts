// Hashes of uploads as far as they have come, kept on the node that received them: the digest is known when the last byte is, without reading anything again.
// Losing one costs reading the upload back at its end.
import { hash } from 'node:crypto'
import { asBuffer } from '../../base/index.ts'
import type { ExpectedDigest, UploadAlgorithm } from '../content-uploads.ts'
import type { FrameLines, FrameTarget, HeldHash } from './frame-lines.ts'

/** Uploads whose hashes are kept; of more, the oldest go. */
const mostKept = 4096

/** Hashes of the first so many bytes of something. UnavailableError 'worker' where the thread that has them ended. */
export class RunningHashes {
  readonly #lines: FrameLines
  readonly #algorithm: UploadAlgorithm
  #sizeBytes: number
  /** Null: nothing has come yet. */
  #held: HeldHash | null

  private constructor(lines: FrameLines, algorithm: UploadAlgorithm, sizeBytes: number, held: HeldHash | null) {
    this.#lines = lines
    this.#algorithm = algorithm
    this.#sizeBytes = sizeBytes
    this.#held = held
  }

  /** Of nothing yet. */
  static of(lines: FrameLines, algorithm: UploadAlgorithm): RunningHashes {
    return new RunningHashes(lines, algorithm, 0, null)
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  get isLost(): boolean {
    return this.#held?.line.isClosed === true
  }

  has(algorithm: UploadAlgorithm): boolean {
    return algorithm === 'sha256' || this.#algorithm === 'sha512'
  }

  /** Its CRC-32, when it is hashed and written; what is added meanwhile comes behind it. @param bytes in shared memory, left alone until then */
  async add(bytes: Uint8Array, target: FrameTarget | null = null): Promise<number> {
    this.#held ??= this.#lines.line().begin(this.#algorithm)
    this.#sizeBytes += bytes.length
    return await this.#held.line.add(bytes, this.#held.hash, target)
  }

  copy(): RunningHashes {
    const held = this.#held === null ? null : this.#held.line.copy(this.#held.hash)
    return new RunningHashes(this.#lines, this.#algorithm, this.#sizeBytes, held)
  }

  /** SHA-256 of what has come; more may follow. */
  async digest(): Promise<Uint8Array> {
    return (await this.#digests('sha256')) as Uint8Array
  }

  /** Whether it is what was expected; `has` its algorithm. */
  async is({ algorithm, digest }: ExpectedDigest): Promise<boolean> {
    const found = await this.#digests(algorithm)
    if (found === null) throw new RangeError(`no ${algorithm} was kept`)
    return asBuffer(found).equals(digest)
  }

  async #digests(algorithm: UploadAlgorithm): Promise<Uint8Array | null> {
    if (this.#held === null) return new Uint8Array(hash(algorithm, new Uint8Array(), 'buffer'))
    return (await this.#held.line.digest(this.#held.hash))[algorithm]
  }
}

/** Those of one node, by upload. */
export class KeptHashes {
  readonly #lines: FrameLines
  readonly #kept = new Map<string, RunningHashes>()

  constructor(lines: FrameLines) {
    this.#lines = lines
  }

  /** Null where they are not of exactly so many bytes, or not of that algorithm. The caller's own. */
  find(id: string, sizeBytes: number, algorithm: UploadAlgorithm): RunningHashes | null {
    if (sizeBytes === 0) return RunningHashes.of(this.#lines, algorithm)
    const kept = this.#kept.get(id)
    return kept?.sizeBytes === sizeBytes && kept.has(algorithm) && !kept.isLost ? kept.copy() : null
  }

  /** How far the upload is, as this node knows; perhaps another knows better. */
  sizeOf(id: string): number | null {
    return this.#kept.get(id)?.sizeBytes ?? null
  }

  keep(id: string, hashes: RunningHashes | null): void {
    this.#kept.delete(id)
    if (hashes === null) return
    this.#kept.set(id, hashes)
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= mostKept) break
      this.#kept.delete(oldest)
    }
  }
}
