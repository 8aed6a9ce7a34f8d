// What the dumb protocol may show of a network's store, in a worker: packs that visible refs reach as wholes, and single objects.
// As with git, which keeps small pushes as loose objects and large ones as packs: a client asks for an object by its own URL first, and looks
// into the listed packs only when that is 404. So an object of a listed pack has no URL of its own.
import { createDeflate, deflateSync, constants } from 'node:zlib'
import { concatBytes, fromHex, hex } from '../../base/index.ts'
import { through } from '../archive/pieces.ts'
import { encodeObjectHeader } from '../format/object.ts'
import { decodePackHeader, PACK_HEADER_BYTES } from '../format/pack.ts'
import { hashBytes } from '../format/object-id.ts'
import type { StoredPack } from '../odb/pack-set.ts'
import { reachedFrom } from '../upload-pack/reach.ts'
import { type FetchRepository, paced, type PacedRepository } from '../upload-pack/repository.ts'

/** Packs of fewer objects are not listed (git: receive.unpackLimit). */
const leastListed = 100
/** Objects from this size on are sent piece by piece. */
const largeBytes = 1 << 20
const level = constants.Z_BEST_SPEED

export interface ShownPack {
  readonly packId: number
  /** In hex: the pack's own trailer. */
  readonly name: string
  readonly isListed: boolean
}

/** Deflated, as in a file of its own; `sizeBytes` is null where it isn't known ahead. */
export interface LooseObject {
  readonly sizeBytes: number | null
  readonly pieces: AsyncIterable<Uint8Array<ArrayBuffer>>
}

export class DumbObjects {
  readonly #repository: PacedRepository
  readonly #tips: Uint8Array

  /** @param tips packed ids of what visible refs point to */
  constructor(repository: FetchRepository, tips: Uint8Array, signal?: AbortSignal) {
    this.#repository = paced(repository, signal)
    this.#tips = tips
  }

  /**
   * Packs of which every object is reachable from the tips. One that holds an object twice is not among them: no index of git's fits it. Nor is
   * a thin one: its deltas would have no bases there.
   */
  async packs(): Promise<readonly ShownPack[]> {
    const { packs } = await reachedFrom(this.#repository, this.#tips)
    const shown: ShownPack[] = []
    for (const pack of packs) {
      const { count, format, outsideCount, packBytes } = pack.index
      if (outsideCount > 0) continue
      if (decodePackHeader(await pack.read(0, PACK_HEADER_BYTES))?.objectCount !== count) continue
      const name = hex(await trailer(pack, packBytes, hashBytes(format)))
      shown.push({ packId: pack.id, name, isListed: count >= leastListed })
    }
    return shown
  }

  /**
   * The object, or null: it isn't stored, isn't reachable from the tips, or stands in a listed pack.
   * @param listed ids of the listed packs
   * @throws CorruptError
   */
  async loose(oid: string, listed: ReadonlySet<number>): Promise<LooseObject | null> {
    const { objects, pace, set } = this.#repository
    const id = fromHex(oid)
    const number = set.find(id, 0)
    if (number < 0 || set.packs.some((pack) => listed.has(pack.id) && pack.index.find(id, 0) >= 0)) return null
    const { isReached } = await reachedFrom(this.#repository, this.#tips)
    if (!(await isReached(number))) return null
    const sizeBytes = set.sizeBytes(number)
    const header = encodeObjectHeader(set.kind(number), sizeBytes)
    if (sizeBytes >= largeBytes) {
      const whole = async function* () {
        yield header
        yield* objects.pieces(number, pace.signal)
      }
      return { sizeBytes: null, pieces: owned(through(whole(), createDeflate({ level }))) }
    }
    const deflated = deflateSync(concatBytes([header, await objects.read(number)]), { level })
    return { sizeBytes: deflated.length, pieces: owned([deflated]) }
  }
}

async function trailer(pack: StoredPack, packBytes: number, sizeBytes: number): Promise<Uint8Array> {
  return await pack.read(packBytes - sizeBytes, sizeBytes)
}

async function* owned(pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  for await (const piece of pieces) yield new Uint8Array(piece)
}
