// What is searched: one row for each package, of the version that `latest` names. Whatever raises a package's revision writes down that its row is old (a trigger), and
// the next search makes it anew first: nothing that is published has to know of it, and what is published is found at once.
import type { PackageId } from '../../access/index.ts'
import { type Database, fixedQuery, sql, type Tx } from '../../db/index.ts'
import { nameWordsOf, type SearchedVersion, summaryOf, wordsOf } from '../format/search.ts'

/** Packages of one transaction. */
const together = 100

/** Lives as long as the server. */
export class SearchIndex {
  readonly #db: Database
  /** Not begun yet: whoever comes now may still share it. */
  #next: Promise<void> | null = null
  #underWay: Promise<unknown> = Promise.resolve()

  constructor(db: Database) {
    this.#db = db
  }

  /** Resolves when everything is in that was published before the call. */
  refresh(): Promise<void> {
    this.#next ??= this.#refreshNext()
    return this.#next
  }

  async #refreshNext(): Promise<void> {
    await this.#underWay
    this.#next = null
    const refreshed = this.#refreshAll()
    this.#underWay = refreshed.catch(() => {})
    return refreshed
  }

  async #refreshAll(): Promise<void> {
    while ((await this.#db.transaction(refreshSome, { mayRetry: true })) === together);
  }
}

/** How many were old. What somebody is just publishing is passed over: it isn't there yet. */
async function refreshSome(tx: Tx): Promise<number> {
  const { rows } = await sql<{ id: PackageId }>`
    delete from npm_search_due where package_id in (
      select d.package_id from npm_search_due d join package p on p.id = d.package_id
      order by d.package_id limit ${together} for key share of p skip locked for update of d skip locked)
    returning package_id as id`.execute(tx)
  for (const { id } of rows) await index(tx, id)
  return rows.length
}

const newest = fixedQuery((queries, packageId: number) =>
  queries
    .selectFrom('package_version')
    .innerJoin('npm_version', 'npm_version.version_id', 'package_version.id')
    .innerJoin('package', 'package.id', 'package_version.package_id')
    .innerJoin('account', 'account.id', 'package.owner_id')
    .leftJoin('npm_tag', (join) => join.onRef('npm_tag.version_id', '=', 'package_version.id').on('npm_tag.tag', '=', 'latest'))
    .where('package_version.package_id', '=', packageId)
    .orderBy(sql`npm_tag.tag is null`)
    .orderBy('package_version.id', 'desc')
    .limit(1)
    .select(['package.name', 'package_version.version', 'package_version.published_at', 'package_version.published_by'])
    .select(['account.login', 'npm_version.manifest']),
)

async function index(tx: Tx, packageId: PackageId): Promise<void> {
  const [row] = await newest(tx, packageId)
  if (row === undefined) {
    await tx.deleteFrom('npm_search').where('package_id', '=', packageId).execute()
    return
  }
  const { name, version, published_at: publishedAt, published_by: publishedBy, login: owner, manifest } = row
  const found = searched({ name, version, publishedAt, publishedBy, owner, manifest })
  const values = {
    name: found.name,
    keywords: found.keywords,
    authors: found.authors,
    maintainers: found.maintainers,
    summary: found.summary,
    document: sql<string>`setweight(to_tsvector('simple', ${found.nameWords}), 'A') || setweight(to_tsvector('simple', ${found.keyWords}), 'B')
      || setweight(to_tsvector('simple', ${found.words}), 'C')`,
  }
  await tx
    .insertInto('npm_search')
    .values({ package_id: packageId, ...values })
    .onConflict((conflict) => conflict.column('package_id').doUpdateSet(values))
    .execute()
}

function searched(version: SearchedVersion) {
  const summary = summaryOf(version)
  const { keywords, author, publisher, maintainers, description = '' } = summary
  const small = (texts: readonly string[]) => [...new Set(texts.map((text) => text.toLowerCase()))]
  return {
    name: version.name.toLowerCase(),
    keywords: small(keywords),
    authors: small(Object.values(author ?? {})),
    maintainers: small([publisher.username, ...maintainers.map(({ username }) => username)]),
    summary: JSON.stringify(summary),
    nameWords: nameWordsOf(version.name).join(' '),
    keyWords: keywords.flatMap(wordsOf).join(' '),
    words: wordsOf(description).join(' '),
  }
}
