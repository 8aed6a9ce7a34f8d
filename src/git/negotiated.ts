// What negotiations came to, for fetches that ask for nothing but tips of refs and say of themselves that they have nothing: for a while most fetches
// of a repository are the same one, and the way to a worker and back costs more than its answer.
// Invariant: that all wants are tips of refs that this caller may see was asked for this request (fetchTask): such a task holds no tips. Nothing
// else decides about them: what is kept here is a function of the packs and of the whole task.
import { createHash } from 'node:crypto'
import { hex } from '../base/index.ts'
import type { PackSetHandle } from './odb/index.ts'
import type { FetchEvent, FetchTask } from './upload-pack/index.ts'

export type Preamble = Extract<FetchEvent, { type: 'preamble' }>

/** Of each state of a network's packs. */
const mostKept = 64
const mostBytes = 16 << 10
const mostWants = 10_000

export class Negotiated {
  readonly #byPacks = new WeakMap<PackSetHandle, Map<string, Promise<Preamble | null>>>()

  /**
   * The preamble of a fetch that has a pack: as it was before, also while that is still under way, or as `negotiate` tells it.
   * @throws what `negotiate` throws; nothing of it is kept
   */
  async get(packs: PackSetHandle, task: FetchTask, negotiate: () => Promise<Preamble>): Promise<Preamble> {
    if (task.tips.length > 0 || task.wants.length > mostWants) return await negotiate()
    const known = this.#byPacks.get(packs) ?? new Map<string, Promise<Preamble | null>>()
    this.#byPacks.set(packs, known)
    const name = nameOf(task)
    const pending = known.get(name)
    const before = pending && (await pending) // no turn between the look and the entry
    if (before) return before
    const found = Promise.withResolvers<Preamble | null>()
    keep(known, name, found.promise)
    let preamble: Preamble | null = null
    try {
      preamble = await negotiate()
      return preamble
    } finally {
      const isKept = preamble !== null && preamble.key !== null && preamble.bytes.length <= mostBytes
      if (!isKept && known.get(name) === found.promise) known.delete(name)
      found.resolve(isKept ? preamble : null)
    }
  }
}

function keep<T>(known: Map<string, T>, name: string, value: T): void {
  known.delete(name)
  known.set(name, value)
  if (known.size > mostKept) known.delete(known.keys().next().value as string)
}

/** Of all that a worker is told but the packs. */
function nameOf(task: FetchTask): string {
  return createHash('sha256')
    .update(JSON.stringify({ ...task, tips: '', tags: hex(task.tags) }))
    .digest('base64')
}
