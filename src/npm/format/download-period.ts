// Which days somebody wants downloads of, as npm's API for them says it (npm/registry, docs/download-counts.md): days end in UTC.
import { InputError } from '../../base/index.ts'

/** Both days are within; `2026-11-27`. */
export interface DownloadPeriod {
  readonly start: string
  readonly end: string
}

const dayMs = 24 * 3600_000
/** Of a period; npm's own limit. */
const mostDays = 549
const lengths: Readonly<Record<string, number>> = { 'last-day': 1, 'last-week': 7, 'last-month': 30, 'last-year': 365 }

/** InputError 'bad-period'. @param now in milliseconds: periods that are named end on that day */
export function parsePeriod(text: string, now: number): DownloadPeriod {
  const length = Object.hasOwn(lengths, text) ? lengths[text] : undefined
  if (length !== undefined) return { start: dayOf(now - (length - 1) * dayMs), end: dayOf(now) }
  const [start, end = start, ...more] = text.split(':').map(parseDay)
  if (start === undefined || end === undefined || start === null || end === null || more.length > 0 || end < start)
    throw new InputError(
      'bad-period',
      'A period is last-day, last-week, last-month, last-year, a day (2026-11-27), or two of them: 2026-11-01:2026-11-27',
    )
  if (end - start >= mostDays * dayMs) throw new InputError('bad-period', `A period has at most ${mostDays} days`)
  return { start: dayOf(start), end: dayOf(end) }
}

/** Every day of it, in order. */
export function daysOf({ start, end }: DownloadPeriod): string[] {
  const [first, last] = [Date.parse(start), Date.parse(end)]
  return Array.from({ length: Math.round((last - first) / dayMs) + 1 }, (_, n) => dayOf(first + n * dayMs))
}

function parseDay(text: string): number | null {
  const at = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(at) || dayOf(at) !== text ? null : at
}

function dayOf(at: number): string {
  return new Date(at).toISOString().slice(0, 10)
}
