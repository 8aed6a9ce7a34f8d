// How often a package was downloaded, as npm's API for it says (npm/registry, docs/download-counts.md): of a period in one number, or by day.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { packageOf } from '../../access/index.ts'
import { sql } from '../../db/index.ts'
import { daysOf, parsePeriod } from '../format/download-period.ts'
import { sendJson } from '../protocol/form.ts'
import type { NpmRegistry } from '../registry.ts'

/** GET -/downloads/point/PERIOD/NAME, -/downloads/range/PERIOD/NAME */
export async function getDownloads(
  { db, clock }: NpmRegistry,
  kind: 'point' | 'range',
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { period: text } = request.params as { readonly period: string }
  const one = packageOf(request)
  const period = parsePeriod(text, clock.now())
  const { rows } = await sql<{ day: string; count: number }>`
    select d.day::text as day, sum(d.count)::bigint as count from package_version v join package_download_day d on d.version_id = v.id
    where v.package_id = ${one.id} and d.day between ${period.start}::date and ${period.end}::date group by d.day`.execute(db.queries)
  const counts = new Map(rows.map(({ day, count }) => [day, count]))
  const downloads =
    kind === 'range'
      ? daysOf(period).map((day) => ({ downloads: counts.get(day) ?? 0, day }))
      : rows.reduce((sum, { count }) => sum + count, 0)
  return sendJson(reply, 200, { downloads, ...period, package: one.name })
}
