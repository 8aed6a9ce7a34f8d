// What is due to be opened, in the background: small contents many at once, others one after the other.
import { sql } from '../../db/index.ts'
import type { Job } from '../../jobs/index.ts'
import { mostSmallBytes, mostTogether, mostTogetherBytes } from './limits.ts'
import { openTogether, type OpenedTogether } from './open-together.ts'
import { begin, type DueContent, giveBack, isDue, nextDue } from './opened-rows.ts'
import { isElsewhere, openOrTell, type OpenerParts } from './opener.ts'

/** Opens what is due for so many milliseconds; how many there were. Throws the signal's reason; UnavailableError. */
export async function openDue(parts: OpenerParts, settleMs: number, signal: AbortSignal): Promise<number> {
  for (let count = 0; ; ) {
    signal.throwIfAborted()
    const dues = await nextDue(parts.db, settleMs, mostTogether)
    if (dues.length === 0) return count
    const together = smallOnes(dues)
    const chosen = together.length > 0 ? together : dues.slice(0, 1)
    count += chosen.length
    const begun = await begin(
      parts.db,
      chosen.map(({ digest }) => digest),
    )
    const due = chosen.filter(({ digest }) => begun.has(digest))
    if (together.length > 0) await openManyOrTell(parts, due, signal)
    else for (const one of due) await openOrTell(parts, one, signal)
  }
}

/** Those of the first ones that can be opened together. What was begun before, and had no end, is opened alone, so that it takes no others along. */
function smallOnes(dues: readonly DueContent[]): DueContent[] {
  let sizeBytes = 0
  const end = dues.findIndex((due) => {
    sizeBytes += due.sizeBytes
    return !due.isFirst || due.sizeBytes > mostSmallBytes || sizeBytes > mostTogetherBytes
  })
  return end < 0 ? [...dues] : dues.slice(0, end)
}

async function openManyOrTell(parts: OpenerParts, dues: readonly DueContent[], signal: AbortSignal): Promise<void> {
  if (dues.length === 0) return
  const untold = new Set(dues.map(({ digest }) => digest))
  try {
    const outcomes = await outcomesOf(parts, dues, signal)
    for (const [n, due] of dues.entries()) {
      signal.throwIfAborted()
      const outcome = outcomes[n] ?? { kind: 'alone' }
      untold.delete(due.digest)
      await openOrTell(parts, due, signal, outcome.kind === 'alone' ? null : outcome)
    }
  } catch (error) {
    await giveBack(parts.db, [...untold]).catch(() => {}) // then they come later
    throw error
  }
}

/** None where they can't be opened together: then each is tried alone. */
async function outcomesOf(parts: OpenerParts, dues: readonly DueContent[], signal: AbortSignal): Promise<readonly OpenedTogether[]> {
  try {
    return await openTogether(parts, dues, signal)
  } catch (error) {
    if (signal.aborted || isElsewhere(error)) throw error
    parts.log.error({ err: error, contents: dues.length }, 'contents could not be opened together; each is tried alone')
    return []
  }
}

/** What is uploaded is pulled soon, and part of an upload that goes on: it stands so long before it is looked into. */
const defaultSettleMs = 5 * 60_000

export interface OpeningOptions {
  readonly intervalMs?: number
  /** How long a content stands as it came before it is looked into. */
  readonly settleMs?: number
}

export function openingJob(parts: OpenerParts, { intervalMs = 10_000, settleMs = defaultSettleMs }: OpeningOptions = {}): Job {
  return {
    kind: 'open-contents',
    intervalMs,
    work: () => sql<boolean>`exists (select from content_opening where ${isDue(settleMs)})`,
    run: async (signal) => {
      await openDue(parts, settleMs, signal)
    },
  }
}
