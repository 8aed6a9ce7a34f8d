// The path indexes that a worker thread keeps between questions: those of small networks are worked out again otherwise, for each question.
import type { PackSetHandle } from '../odb/pack-handle.ts'
import { PathIndex } from './path-index.ts'

/** Of what nobody asks about at the moment. */
const mostBytes = 64 << 20
const mostNetworks = 256

interface Kept {
  readonly index: PathIndex
  readonly generation: number
}

export class PathIndexes {
  readonly #kept = new Map<string, Kept>()

  /**
   * The network's index as it is known, unless objects have left the network since, or it was made of other parts than those that are stored now.
   * @param cutOff commits at which the repository is cut off; a stored table doesn't know of them
   * @throws CorruptError when a stored part can't be used
   */
  open(handle: PackSetHandle, cutOff: string): PathIndex {
    const key = `${handle.networkId} ${cutOff}`
    const generation = handle.generation ?? 0
    const stored = cutOff === '' ? handle.paths : []
    const known = this.#kept.get(key)
    const isOurs = known?.generation === generation && (stored === undefined || isMadeOf(known.index, stored))
    const index = known && isOurs ? known.index : new PathIndex(handle.format, stored)
    this.#kept.delete(key)
    this.#kept.set(key, { index, generation })
    this.#forget()
    return index
  }

  #forget(): void {
    let bytes = 0
    for (const { index } of this.#kept.values()) bytes += index.bytes
    for (const [oldest, { index }] of this.#kept) {
      if (this.#kept.size === 1 || (bytes <= mostBytes && this.#kept.size <= mostNetworks)) break
      this.#kept.delete(oldest)
      bytes -= index.bytes
    }
  }
}

function isMadeOf({ keys }: PathIndex, parts: readonly { readonly key: string }[]): boolean {
  return keys.length === parts.length && parts.every(({ key }, i) => keys[i] === key)
}
