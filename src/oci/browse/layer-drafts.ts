// What a layer's entries say, before their order is known: columns that grow, for objects of each would take ten times as much memory. Pure.
import { entryTypes, nowhere } from './layer-list.ts'
import type { LayerBody, LayerEntry } from './layer-list-builder.ts'

const digestBytes = 32 + 20
const firstCount = 256

/** Drafts are told by their number, from 0 on. */
export class LayerDrafts {
  #count = 0
  marks = new Uint8Array(firstCount)
  /** As `entryTypes` has them; 0 where no entry is there. */
  types = new Uint8Array(firstCount)
  modes = new Uint16Array(firstCount)
  sizes = new Float64Array(firstCount)
  /** Where the bytes are; or `nowhere`. */
  bodies = new Float64Array(firstCount)
  /** SHA-256 and Git's SHA-1 of each. */
  #digests = new Uint8Array(firstCount * digestBytes)
  readonly #links = new Map<number, string>()

  get count(): number {
    return this.#count
  }

  /** The number of a new one, which no entry is of. */
  add(): number {
    if (this.#count === this.types.length) this.#grow()
    this.bodies[this.#count] = nowhere
    return this.#count++
  }

  put(draft: number, { type, mode, link }: LayerEntry): void {
    this.types[draft] = entryTypes.indexOf(type)
    this.modes[draft] = mode
    if (link === null) this.#links.delete(draft)
    else this.#links.set(draft, link)
  }

  putBody(draft: number, body: LayerBody | null, sizeBytes: number): void {
    this.sizes[draft] = sizeBytes
    this.bodies[draft] = body?.at ?? nowhere
    if (body === null) return
    this.#digests.set(body.sha256, draft * digestBytes)
    this.#digests.set(body.gitBlob, draft * digestBytes + 32)
  }

  hasEntry(draft: number): boolean {
    return this.types[draft] !== 0
  }

  link(draft: number): string {
    return this.#links.get(draft) ?? ''
  }

  sizeBytes(draft: number): number {
    return this.sizes[draft] as number
  }

  /** Null: its bytes aren't in the layer. */
  body(draft: number): LayerBody | null {
    const at = this.bodies[draft] as number
    const digests = this.#digests.subarray(draft * digestBytes, (draft + 1) * digestBytes)
    return at === nowhere ? null : { at, sha256: digests.subarray(0, 32), gitBlob: digests.subarray(32) }
  }

  #grow(): void {
    const count = this.types.length * 2
    const grown = <T extends Uint8Array | Uint16Array | Float64Array>(into: T, from: T): T => (into.set(from), into)
    this.marks = grown(new Uint8Array(count), this.marks)
    this.types = grown(new Uint8Array(count), this.types)
    this.modes = grown(new Uint16Array(count), this.modes)
    this.sizes = grown(new Float64Array(count), this.sizes)
    this.bodies = grown(new Float64Array(count), this.bodies)
    this.#digests = grown(new Uint8Array(count * digestBytes), this.#digests)
  }
}
