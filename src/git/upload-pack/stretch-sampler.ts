// Which stretches of a stored pack are compared with their CRCs while they are streamed (docs/decisions/0011-sampled-checks.md): each the first time
// that this process sends it, later one of sixteen, another sixteenth each time.
import type { Randomness } from '../../base/index.ts'

const every = 16
/** Packs that are remembered; of a forgotten one everything is checked again. */
const mostPacks = 10_000

export class StretchSampler {
  readonly #randomness: Randomness
  readonly #seen = new Map<number, Uint8Array>() // by pack: one byte for each stretch

  constructor(randomness: Randomness) {
    this.#randomness = randomness
  }

  /** For one pass over a pack. */
  pass(packId: number, stretches: number): StretchPass {
    let seen = this.#seen.get(packId)
    if (seen?.length !== stretches) seen = new Uint8Array(stretches)
    this.#seen.delete(packId)
    this.#seen.set(packId, seen)
    if (this.#seen.size > mostPacks) this.#seen.delete(this.#seen.keys().next().value as number)
    const turn = (this.#randomness.bytes(1)[0] as number) % every
    const marks = seen
    return {
      isChecked: (stretch) => marks[stretch] === 0 || stretch % every === turn,
      passed: (stretch) => {
        marks[stretch] = 1
      },
    }
  }
}

export interface StretchPass {
  isChecked(stretch: number): boolean
  /** It was checked, and is right. */
  passed(stretch: number): void
}

/** Where nothing is remembered. */
export const checkAll: StretchPass = { isChecked: () => true, passed: () => {} }
