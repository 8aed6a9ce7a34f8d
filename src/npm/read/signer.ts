// Signs versions, each once: when a document of its package is made for the first time after it was published. What is signed stays in a row, so that documents are
// the same on every node.
import { sign } from 'node:crypto'
import { promisify } from 'node:util'
import type { PackageId } from '../../access/index.ts'
import type { Log, Sealer } from '../../base/index.ts'
import { type Database, fixedQuery, type Queries, sql } from '../../db/index.ts'
import { integrityOf } from '../format/packument.ts'
import { signedText } from '../format/signature.ts'
import { type SigningKey, signingKey } from './signing-keys.ts'

const signBytes = promisify(sign)

/** Versions of one statement. */
const together = 500

const unsigned = fixedQuery((queries, packageId: number) =>
  queries
    .selectFrom('package_version')
    .innerJoin('package_file', 'package_file.version_id', 'package_version.id')
    .where('package_version.package_id', '=', packageId)
    .where('package_file.sha512', 'is not', null)
    .where(sql<boolean>`not exists (select from npm_signature s where s.version_id = package_version.id)`)
    .orderBy('package_version.id')
    .limit(together)
    .select(['package_version.id', 'package_version.version', 'package_file.sha512']),
)

/** Some of the package's that have no signature yet. */
export async function unsignedVersions(queries: Queries, packageId: PackageId) {
  return unsigned(queries, packageId)
}

export type UnsignedVersion = Awaited<ReturnType<typeof unsigned>>[number]

/** Lives as long as the server. */
export class Signer {
  readonly #db: Database
  readonly #sealer: Sealer
  readonly #log: Log
  #key: Promise<SigningKey> | null = null

  constructor(db: Database, sealer: Sealer, log: Log) {
    this.#db = db
    this.#sealer = sealer
    this.#log = log
  }

  /** Two nodes at once: the first one's counts. */
  async signVersions(name: string, versions: readonly UnsignedVersion[]): Promise<void> {
    const { keyid, key } = await this.key()
    const signed = await Promise.all(
      versions.map(async ({ version, sha512 }) => {
        const text = signedText(name, version, integrityOf(sha512 as Uint8Array))
        return (await signBytes('sha256', Buffer.from(text), key)).toString('base64')
      }),
    )
    // of those that are still there: a version may go meanwhile
    await sql`
      with there as (
        select v.id, s.signature from unnest(${versions.map(({ id }) => id)}::bigint[], ${signed}::text[]) as s (id, signature)
        join package_version v using (id) order by v.id for key share of v)
      insert into npm_signature (version_id, keyid, signature) select id, ${keyid}, signature from there
      on conflict do nothing`.execute(this.#db.queries)
  }

  /** The one that signs; made when it is first needed. */
  key(): Promise<SigningKey> {
    this.#key ??= signingKey(this.#db, this.#sealer, this.#log).catch((error: unknown) => {
      this.#key = null
      throw error
    })
    return this.#key
  }
}
