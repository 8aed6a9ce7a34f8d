// The server's npm registry with an upstream that does what a test tells it to.
import { findAccount, operator, type UpstreamId } from '../../src/access/index.ts'
import { Sealer, systemRandomness } from '../../src/base/index.ts'
import { sql } from '../../src/db/index.ts'
import { npmUpstreams } from '../../src/npm/index.ts'
import { declareUpstream, type NewUpstream, removeDeclared, type Upstream } from '../../src/packages/index.ts'
import { FakeNpmRegistry } from './fake-npm-registry.ts'
import { NpmFaces } from './npm-faces.ts'
import { until } from './until.ts'

export interface NpmCacheStand {
  readonly npm: NpmFaces
  readonly upstream: FakeNpmRegistry
  readonly sealer: Sealer
  /** All of olive's, unless the path says otherwise; public, and never fresh. */
  declare(wanted?: Partial<NewUpstream>): Promise<Upstream>
  /** Resolves when so many files of packages are here. */
  stored(count: number): Promise<void>
  /** What is here is older than any upstream's `fresh`. */
  age(): Promise<void>
  /** Nothing is declared, nothing is here, and the upstream does as at first. */
  startAnew(): Promise<void>
  close(): Promise<void>
}

export async function openNpmCache(): Promise<NpmCacheStand> {
  const npm = await NpmFaces.open({ STEMMA_OUTBOUND_ALLOW_PRIVATE: '127.0.0.0/8' })
  const upstream = await new FakeNpmRegistry().listen()
  const { db } = npm.faces
  const sealer = new Sealer(new Uint8Array(32), systemRandomness) // the one of faces.ts
  return {
    npm,
    upstream,
    sealer,
    declare: async (wanted = {}) => {
      const owner = await findAccount(db.queries, 'olive')
      if (owner === null) throw new Error('olive has no account')
      const rest = { path: '', url: upstream.origin, credentials: null, visibility: 'public', freshS: 0, ...wanted } as const
      return await declareUpstream({ db, sealer }, npmUpstreams, owner, rest, operator)
    },
    stored: (count) =>
      until(`${count} files are here`, async () => {
        const rows = await db.queries.selectFrom('package_file').select('name').execute()
        return rows.length >= count
      }),
    age: async () => void (await sql`update npm_upstream_document set checked_at = checked_at - interval '1 day'`.execute(db.queries)),
    startAnew: async () => {
      const declared = await db.queries.selectFrom('package_upstream').select('id').execute()
      for (const { id } of declared) await removeDeclared(db, npmUpstreams, id as UpstreamId, operator)
      await db.queries.deleteFrom('package').execute() // those that are olive's own
      await db.queries.deleteFrom('package_tombstone').execute()
      upstream.startAnew()
    },
    close: async () => {
      await upstream.close()
      await npm.close()
    },
  }
}
