// What of the audit is wanted, in GitHub's way of saying it: `action:member actor:alice created:>=2026-11-01`. Pure.
import { InputError } from '../base/index.ts'
import type { AuditFilter } from './audit-log.ts'

type Wanted = Pick<AuditFilter, 'action' | 'actor' | 'since' | 'until'>

/** InputError `bad-phrase`, which says what may stand there. */
export function parsePhrase(phrase: string): Wanted {
  let wanted: Wanted = {}
  for (const [, whole = '', name = '', quoted, plain = ''] of phrase.matchAll(/((?:(\w+):)?(?:"([^"]*)"|(\S+)))/g)) {
    const value = quoted ?? plain
    if (value === '') throw bad(whole)
    if (name === 'action') wanted = { ...wanted, action: value.replace(/\.?\*$/, '') }
    else if (name === 'actor') wanted = { ...wanted, actor: value }
    else if (name === 'created') wanted = { ...wanted, ...parseRange(value) }
    else throw bad(whole)
  }
  return wanted
}

function bad(part: string): InputError {
  return new InputError(
    'bad-phrase',
    `'${part.slice(0, 60)}' is nothing to look for: there are action:WORD, actor:LOGIN and created:RANGE (as >=2026-11-01 or 2026-11-01..2026-11-30)`,
  )
}

/** `2026-11-01` (all of that day), `>=`, `>`, `<=`, `<` before one, `A..B` (both included, either may be `*`); days or moments, UTC where they don't say. */
function parseRange(range: string): Wanted {
  const [, low, high] = /^(\S+?)\.\.(\S+)$/.exec(range) ?? []
  if (low !== undefined && high !== undefined) {
    return { ...(low === '*' ? {} : { since: parseMoment(low).start }), ...(high === '*' ? {} : { until: parseMoment(high).end }) }
  }
  const [, sign = '', text = ''] = /^(>=|<=|>|<)?(.+)$/.exec(range) ?? []
  const { start, end } = parseMoment(text)
  switch (sign) {
    case '>=':
      return { since: start }
    case '>':
      return { since: end }
    case '<':
      return { until: start }
    case '<=':
      return { until: end }
    default:
      return { since: start, until: end }
  }
}

const dayMs = 86_400_000

/** A day, or a moment, of which the database knows microseconds and we milliseconds. */
export function parseMoment(text: string): { readonly start: Date; readonly end: Date } {
  const isDay = /^\d{4}-\d\d-\d\d$/.test(text)
  const isMoment = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:\d\d)?$/.test(text)
  const hasZone = /(?:Z|[+-]\d\d:\d\d)$/.test(text)
  const start = new Date(isDay ? `${text}T00:00:00Z` : isMoment ? `${text}${hasZone ? '' : 'Z'}` : Number.NaN)
  const isReal = !Number.isNaN(start.getTime()) && (!isDay || start.toISOString().startsWith(text))
  if (!isReal) throw new InputError('bad-phrase', `'${text.slice(0, 60)}' is no day (2026-11-01) and no moment (2026-11-01T12:00:00Z)`)
  return { start, end: new Date(start.getTime() + (isDay ? dayMs : 1)) }
}
