// What the server has at hand before a row's action is measured.
import type { Bench, Row } from './row.ts'

/** How the server stands when the request comes. */
export type Stand = 'new' | 'cold' | 'uncached' | 'cached'

export const words: Readonly<Record<Stand, string>> = {
  new: 'new process', // and nothing compiled yet
  cold: 'cold', // a new process with warm code (warm.ts): nothing of the repository in its memory; the kernel's page cache is warm for both
  uncached: 'made anew', // a process that has served it before, without a pack cache
  cached: 'cached', // the same was asked for before
}

/** What brings a contender to that stand before each run. */
export function standing({ stemma }: Bench, stand: Stand): NonNullable<Row['prepare']> {
  const without = new WeakSet<object>()
  return async (contender, run) => {
    // a row before may have left it without a pack cache
    if ((stand === 'new' || stand === 'cold') && contender === stemma && run < 0) await stemma.restart({})
    if (stand === 'new' || stand === 'cold') await contender.forget(stand === 'new')
    if (stand === 'uncached' && contender === stemma && !without.has(stemma.server)) {
      await stemma.restart({ STEMMA_CACHE_PACK_BYTES: '0' })
      without.add(stemma.server)
    }
    if (stand === 'cached' && contender === stemma && run < 0) await stemma.restart({})
  }
}
