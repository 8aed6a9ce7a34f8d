// An archive taken apart as it comes, and put together again: split(tar) → skeleton and bodies, join(skeleton, bodies) → the same bytes, whatever they were. Pure.
import { createHash, type Hash } from 'node:crypto'
import type { FileEntry } from './file-list.ts'
import { type TarMember, TarWalk } from './tar-walk.ts'

/** What comes out of a split, in the archive's order. `begin`: the next bodies are one file's, so many bytes of them. */
export type SplitPiece =
  | { readonly kind: 'skeleton'; readonly bytes: Uint8Array }
  | { readonly kind: 'body'; readonly bytes: Uint8Array }
  | { readonly kind: 'begin'; readonly sizeBytes: number }
  | { readonly kind: 'entry'; readonly entry: FileEntry }

interface OpenFile {
  readonly member: TarMember
  readonly sha1: Hash
  readonly sha256: Hash
}

export class TarSplit {
  readonly #walk: TarWalk
  #file: OpenFile | null = null

  constructor(mostMetaBytes: number) {
    this.#walk = new TarWalk(mostMetaBytes)
  }

  /** Headers so far: none after the first block means that it is no archive. */
  get headers(): number {
    return this.#walk.headers
  }

  /** Pieces are views of the bytes. A file that the archive ends within has no entry. */
  *push(bytes: Uint8Array): Generator<SplitPiece, void, undefined> {
    for (let at = 0; at < bytes.length; ) {
      const { bodyLeft } = this.#walk
      if (bodyLeft > 0) {
        const body = bytes.subarray(at, at + Math.min(bodyLeft, bytes.length - at))
        this.#file?.sha1.update(body)
        this.#file?.sha256.update(body)
        this.#walk.body(body.length)
        at += body.length
        yield { kind: 'body', bytes: body }
        if (body.length === bodyLeft) yield* this.#endFile()
        continue
      }
      const count = this.#walk.skeleton(bytes.subarray(at))
      if (count > 0) yield { kind: 'skeleton', bytes: bytes.subarray(at, at + count) }
      at += count
      const member = this.#walk.takeMember()
      if (member !== null) yield* this.#begin(member)
    }
  }

  *#begin(member: TarMember): Generator<SplitPiece, void, undefined> {
    const isBody = member.type === '0' || member.type === 'S'
    if (member.type === '0') {
      const sha1 = createHash('sha1').update(`blob ${member.bodyBytes}\0`)
      this.#file = { member, sha1, sha256: createHash('sha256') }
    } else yield { kind: 'entry', entry: entryOf(member) }
    if (isBody && member.bodyBytes > 0) yield { kind: 'begin', sizeBytes: member.bodyBytes }
    else yield* this.#endFile()
  }

  *#endFile(): Generator<SplitPiece, void, undefined> {
    const file = this.#file
    this.#file = null
    if (file === null) return
    yield { kind: 'entry', entry: { ...entryOf(file.member), gitBlob: file.sha1.digest(), sha256: file.sha256.digest() } }
  }
}

function entryOf({ path, mode, type, sizeBytes, bodyBytes, link }: TarMember): FileEntry {
  return {
    path,
    mode,
    type,
    sizeBytes,
    bodyBytes,
    link: type === '1' || type === '2' ? link : new Uint8Array(),
    gitBlob: null,
    sha256: null,
  }
}

/** The archive's bytes again, in pieces of about `pieceBytes`, each the taker's own. Ends where the bodies do, if that is before the skeleton wants. */
export async function* joinTar(
  skeleton: AsyncIterable<Uint8Array>,
  bodies: AsyncIterable<Uint8Array>,
  { mostMetaBytes, pieceBytes = 256 << 10 }: { readonly mostMetaBytes: number; readonly pieceBytes?: number },
): AsyncGenerator<Uint8Array, void, undefined> {
  const walk = new TarWalk(mostMetaBytes)
  const from = { skeleton: new Taking(skeleton), bodies: new Taking(bodies) }
  let piece = Buffer.allocUnsafeSlow(pieceBytes)
  let filled = 0
  try {
    for (;;) {
      const { bodyLeft } = walk
      const source = bodyLeft > 0 ? from.bodies : from.skeleton
      const given = source.at < source.bytes.length ? source.bytes : await source.next()
      if (given === null) break
      const room = Math.min(given.length - source.at, pieceBytes - filled)
      const next = given.subarray(source.at, source.at + room)
      const count = bodyLeft > 0 ? Math.min(bodyLeft, room) : walk.skeleton(next)
      if (bodyLeft > 0) walk.body(count)
      else walk.takeMember()
      piece.set(count === room ? next : next.subarray(0, count), filled)
      filled += count
      source.at += count
      if (filled === pieceBytes) {
        yield piece
        piece = Buffer.allocUnsafeSlow(pieceBytes)
        filled = 0
      }
    }
    if (filled > 0) yield piece.subarray(0, filled)
  } finally {
    await from.skeleton.end()
    await from.bodies.end()
  }
}

/** A stream's pieces, taken bit by bit. */
class Taking {
  readonly #source: AsyncIterator<Uint8Array>
  bytes: Uint8Array = new Uint8Array()
  at = 0

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  /** The next bytes; null at the end. */
  async next(): Promise<Uint8Array | null> {
    for (;;) {
      const { done, value } = await this.#source.next()
      if (done === true) return null
      if (value.length === 0) continue
      this.bytes = value
      this.at = 0
      return value
    }
  }

  async end(): Promise<void> {
    await this.#source.return?.()
  }
}
