// `stemma audit`: who changed what, the oldest first, read from the database as it is printed.
import { once } from 'node:events'
import { type AuditFilter, type AuditRow, auditRows, parseMoment } from '../access/index.ts'
import { systemClock } from '../base/index.ts'
import { type Config, parseDuration } from '../config.ts'
import { accountNamed } from './account-named.ts'
import { withDatabase } from './database.ts'
import { parseRepository, repositoryNamed } from './repository-name.ts'
import { quietLog } from './rooms.ts'
import { type Flags, several, UsageError } from './usage.ts'

export async function runAudit(config: Config, given: Flags): Promise<void> {
  const [name, ...more] = several(given.repository)
  if (more.length > 0) throw new UsageError('--repository names one repository here')
  await withDatabase(config, quietLog(config), async (db) => {
    const filter: AuditFilter = {
      ...(given.since === undefined ? {} : { since: moment('since', given.since) }),
      ...(given.until === undefined ? {} : { until: moment('until', given.until) }),
      ...(given.action === undefined ? {} : { action: given.action }),
      ...(given.actor === undefined ? {} : { actor: given.actor }),
      ...(given.owner === undefined ? {} : { ownerId: (await accountNamed(db, given.owner)).id }),
      ...(name === undefined ? {} : { repositoryId: (await repositoryNamed(db, parseRepository(name))).id }),
    }
    const isJson = given.json === true
    if (!isJson) await write(['TIME', 'ACTOR', 'ACTION', 'TARGET', 'DETAILS'].join('\t'))
    for await (const row of auditRows(db.queries, filter, 'asc')) await write(isJson ? JSON.stringify(row) : line(row))
  })
}

/** A day, a moment, or how long ago it was. */
function moment(flag: 'since' | 'until', text: string): Date {
  const agoMs = parseDuration(text)
  if (agoMs !== null) return new Date(systemClock.now() - agoMs)
  try {
    return parseMoment(text).start
  } catch {
    throw new UsageError(`--${flag} ${text} is no day (2026-11-01), no moment (2026-11-01T12:00:00Z) and no duration (7d, 12h)`)
  }
}

function line({ at, actor, action, target, details }: AuditRow): string {
  return [at.toISOString(), actor, action, target, JSON.stringify(details)].join('\t')
}

/** No faster than whoever reads. */
async function write(text: string): Promise<void> {
  if (!process.stdout.write(`${text}\n`)) await once(process.stdout, 'drain')
}
