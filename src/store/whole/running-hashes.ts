// Hashes of uploads as far as they have come, kept on the node that received them: the digest is known when the last byte is, without reading anything again.
// Losing one costs reading the upload back at its end.
import { createHash, type Hash } from 'node:crypto'
import type { ExpectedDigest, UploadAlgorithm } from '../content-uploads.ts'

/** Uploads whose hashes are kept; of more, the oldest go. */
const mostKept = 4096

/** Hashes of the first so many bytes of something. */
export class RunningHashes {
  #sizeBytes: number
  readonly #sha256: Hash
  readonly #sha512: Hash | null

  private constructor(sizeBytes: number, sha256: Hash, sha512: Hash | null) {
    this.#sizeBytes = sizeBytes
    this.#sha256 = sha256
    this.#sha512 = sha512
  }

  /** Of nothing yet. */
  static of(algorithm: UploadAlgorithm): RunningHashes {
    return new RunningHashes(0, createHash('sha256'), algorithm === 'sha512' ? createHash('sha512') : null)
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  has(algorithm: UploadAlgorithm): boolean {
    return algorithm === 'sha256' || this.#sha512 !== null
  }

  update(bytes: Uint8Array): void {
    this.#sha256.update(bytes)
    this.#sha512?.update(bytes)
    this.#sizeBytes += bytes.length
  }

  copy(): RunningHashes {
    return new RunningHashes(this.#sizeBytes, this.#sha256.copy(), this.#sha512?.copy() ?? null)
  }

  /** SHA-256 of what has come; more may follow. */
  digest(): Uint8Array {
    return new Uint8Array(this.#sha256.copy().digest())
  }

  /** Whether it is what was expected; `has` its algorithm. */
  is({ algorithm, digest }: ExpectedDigest): boolean {
    const hash = algorithm === 'sha256' ? this.#sha256 : this.#sha512
    if (hash === null) throw new RangeError(`no ${algorithm} was kept`)
    return hash.copy().digest().equals(digest)
  }
}

/** Those of one node, by upload. */
export class KeptHashes {
  readonly #kept = new Map<string, RunningHashes>()

  /** Null where they are not of exactly so many bytes, or not of that algorithm. The caller's own. */
  find(id: string, sizeBytes: number, algorithm: UploadAlgorithm): RunningHashes | null {
    if (sizeBytes === 0) return RunningHashes.of(algorithm)
    const kept = this.#kept.get(id)
    return kept?.sizeBytes === sizeBytes && kept.has(algorithm) ? kept.copy() : null
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
