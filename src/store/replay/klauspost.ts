// Engines 3 and 4: klauspost's compress/flate, as one stream, and as pgzip makes it: in blocks of 1 MiB that each know the end of the one before.
// buildah, podman, skopeo and buildkit make streams with them.
import { goldenBytes } from './golden.ts'
import type { DeflateEncoder, DeflateEngine, Golden, GzipClue } from './engine.ts'
import type { FlateStream } from './flate-stream.ts'
import { KlauspostFast } from './klauspost-fast.ts'
import { KlauspostLazy } from './klauspost-lazy.ts'
import { KlauspostPlain } from './klauspost-plain.ts'

const pgzipBlockBytes = 1 << 20
const pgzipTailBytes = 16_384

class KlauspostEncoder implements DeflateEncoder {
  readonly #stream: FlateStream

  constructor(stream: FlateStream) {
    this.#stream = stream
  }

  push(bytes: Uint8Array): Uint8Array[] {
    this.#stream.write(bytes)
    return this.#stream.blocks.sink.take()
  }

  end(): Uint8Array[] {
    this.#stream.sync()
    this.#stream.blocks.end()
    return this.#stream.blocks.sink.take()
  }
}

class PgzipEncoder implements DeflateEncoder {
  readonly #stream: FlateStream
  /** The block so far: its end is the next one's dictionary. */
  readonly #block = new Uint8Array(pgzipBlockBytes)
  #size = 0

  constructor(stream: FlateStream) {
    this.#stream = stream
  }

  push(bytes: Uint8Array): Uint8Array[] {
    for (let at = 0; at < bytes.length; ) {
      const size = Math.min(bytes.length - at, pgzipBlockBytes - this.#size)
      const piece = bytes.subarray(at, at + size)
      this.#block.set(piece, this.#size)
      this.#stream.write(piece)
      this.#size += size
      at += size
      if (this.#size === pgzipBlockBytes) this.#endBlock()
    }
    return this.#stream.blocks.sink.take()
  }

  end(): Uint8Array[] {
    this.#endBlock()
    this.#stream.blocks.end()
    return this.#stream.blocks.sink.take()
  }

  #endBlock(): void {
    this.#stream.sync()
    this.#stream.blocks.flush()
    this.#stream.restart(this.#block.subarray(this.#size > pgzipTailBytes ? this.#size - pgzipTailBytes : this.#size, this.#size))
    this.#size = 0
  }
}

/**
 * Which upstream versions make the same streams: 1 is 1.15.10 to 1.15.14 or so, 2 from there to 1.17, 3 is 1.18.0, 4 is 1.18.2 and newer (1.18.1 but for level 9).
 * A level is listed under the first revision that makes its streams.
 */
const revisionsOf = (level: number) => (level === 4 ? [1, 3, 4] : level >= 7 ? [1, 2, 4] : level <= 0 ? [1] : [1, 4])

function streamOf(revision: number, level: number): FlateStream {
  const stream = KlauspostFast.of(level, revision) ?? KlauspostLazy.of(level, revision)
  return stream ?? new KlauspostPlain(level === 0, revision)
}

/** Parameters are bytes: a level is kept as level + 2. */
const shift = 2
const levels = [5, 6, 9, 1, 3, 2, 4, 7, 8, -2, 0]

function candidates(clue: GzipClue | null): number[][] {
  const first = clue?.xfl === 2 ? [9] : clue?.xfl === 4 ? [1] : []
  const order = [...first, ...levels.filter((level) => !first.includes(level))]
  return order.flatMap((level) => revisionsOf(level).map((revision) => [revision, level + shift]))
}

const describe = ([revision = 0, level = 0]: Uint8Array) => `level ${level - shift}, revision ${revision}`

export function klauspost(golden: readonly Golden[]): DeflateEngine {
  return {
    id: 3,
    version: 1,
    name: 'klauspost',
    isGo: true,
    golden,
    goldenBytes,
    candidates,
    encoder: (params) => new KlauspostEncoder(streamOf(params[0] ?? 0, (params[1] ?? 0) - shift)),
    describe,
  }
}

export function pgzip(golden: readonly Golden[]): DeflateEngine {
  return {
    id: 4,
    version: 1,
    name: 'pgzip',
    isGo: true,
    golden,
    goldenBytes: pgzipBlockBytes + 200_000,
    candidates,
    encoder: (params) => new PgzipEncoder(streamOf(params[0] ?? 0, (params[1] ?? 0) - shift)),
    describe,
  }
}
