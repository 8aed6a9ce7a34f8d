// GET -/v1/search: packages that the caller may read, in npm's own shape (npm/registry, docs/REGISTRY-API.md).
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Identity, mayReadPackage, packageOfRow, packageRows, packagesReadableBy } from '../../access/index.ts'
import { type Queries, type RawBuilder, sql } from '../../db/index.ts'
import { parseSearch, type SearchSummary, type SearchWanted, tsQueryOf } from '../format/search.ts'
import { sendJson } from '../protocol/form.ts'
import type { NpmRegistry } from '../registry.ts'
import { baseOf } from './base.ts'

const defaultSize = 20
const mostSize = 250
const furthest = 10_000

interface Query {
  readonly text?: unknown
  readonly size?: unknown
  readonly from?: unknown
}

/** How npm weighs quality, popularity and maintenance is passed over: nothing here measures them. */
export async function searchPackages(registry: NpmRegistry, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { owner } = request.params as { readonly owner?: string }
  const { text, size, from } = request.query as Query
  const wanted = parseSearch(typeof text === 'string' ? text : '')
  const page = { size: numberOf(size, defaultSize, mostSize), from: numberOf(from, 0, furthest) }
  await registry.search.refresh()
  const { queries } = registry.db
  const { rows, total } = await find(queries, request.identity, { wanted, owner: owner ?? null, root: registry.root }, page)
  const base = baseOf(registry, request, owner ?? null)
  const objects = rows.map((row) => {
    const summary = JSON.parse(row.summary) as SearchSummary
    return {
      package: { ...summary, links: { npm: `${base}/${summary.name}`, ...summary.links } },
      score: { final: row.score, detail: { quality: 0, popularity: 0, maintenance: 0 } },
      searchScore: row.score,
      downloads: { weekly: row.weekly, monthly: row.monthly },
    }
  })
  return sendJson(reply, 200, { objects, total, time: new Date(registry.clock.now()).toISOString() })
}

/** In an owner's registry his packages; in the root what can be installed from there. */
interface Where {
  readonly wanted: SearchWanted
  readonly owner: string | null
  readonly root: string | null
}

async function find(
  queries: Queries,
  identity: Identity,
  { wanted, owner, root }: Where,
  { size, from }: { readonly size: number; readonly from: number },
) {
  const { keywords, authors, maintainers, scopes } = wanted
  const query = tsQueryOf(wanted.words)
  const place =
    owner === null
      ? sql<boolean>`(starts_with(npm_search.name, '@' || lower(account.login) || '/')
          or (not starts_with(npm_search.name, '@') and lower(account.login) = ${root?.toLowerCase() ?? null}))`
      : sql<boolean>`lower(account.login) = ${owner.toLowerCase()}`
  const rank = query === null ? sql<number>`0::real` : sql<number>`ts_rank(npm_search.document, to_tsquery('simple', ${query}))`
  const rows = await packageRows(queries, identity)
    .innerJoin('npm_search', 'npm_search.package_id', 'package.id')
    .where('package.format', '=', 'npm')
    .where(packagesReadableBy(identity))
    .where(place)
    .$if(query !== null, (q) => q.where(sql<boolean>`npm_search.document @@ to_tsquery('simple', ${query})`))
    .$if(keywords.length > 0, (q) => q.where(sql<boolean>`npm_search.keywords @> ${keywords}::text[]`))
    .$if(authors.length > 0, (q) => q.where(sql<boolean>`npm_search.authors @> ${authors}::text[]`))
    .$if(maintainers.length > 0, (q) => q.where(sql<boolean>`npm_search.maintainers @> ${maintainers}::text[]`))
    .$if(scopes.length > 0, (q) =>
      q.where(sql<boolean>`split_part(npm_search.name, '/', 1) = any(${scopes.map((one) => `@${one}`)}::text[])`),
    )
    .select(['npm_search.summary', rank.as('score'), sql<number>`count(*) over ()`.as('total')])
    .select([downloadsOf(7).as('weekly'), downloadsOf(30).as('monthly')])
    .orderBy(nearness(wanted.text), 'desc')
    .orderBy('score', 'desc')
    .orderBy(sql`npm_search.name`)
    .orderBy('package.id')
    .limit(size)
    .offset(from)
    .execute()
  const shown = rows.filter((row) => mayReadPackage(identity, packageOfRow(row)))
  return { rows: shown, total: Number(rows[0]?.total ?? 0) }
}

/** A package that is called as somebody writes comes first, then one that is called so in a scope, then those whose name begins so. */
function nearness(text: string): RawBuilder<number> {
  const bare = sql`regexp_replace(npm_search.name, '^@[^/]*/', '')`
  return sql<number>`case when npm_search.name = ${text} then 3 when ${bare} = ${text} then 2 when ${text} <> '' and starts_with(${bare}, ${text}) then 1 else 0 end`
}

function downloadsOf(days: number): RawBuilder<number> {
  return sql<number>`(
    select coalesce(sum(d.count), 0)::bigint from package_version v join package_download_day d on d.version_id = v.id
    where v.package_id = package.id and d.day > current_date - ${days}::int)`
}

/** What isn't a number, or not one that is answered, is the nearest that is. */
function numberOf(value: unknown, absent: number, most: number): number {
  return typeof value === 'string' && /^\d{1,9}$/.test(value) ? Math.min(Number(value), most) : absent
}
