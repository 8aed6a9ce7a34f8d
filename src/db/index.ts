// db: the pool, transactions, typed queries, migrations, and the embedded PostgreSQL. docs/design/database.md.
export type { PoolOptions } from './connection.ts'
export { sqlState } from './connection.ts'
export {
  Database,
  isCommitUnknown,
  type Queries,
  type RawBuilder,
  type TransactionOptions,
  type Tx,
  sql,
} from './database.ts'
export { EmbeddedPostgres, type EmbeddedOptions, attachEmbedded } from './embedded/embedded-postgres.ts'
export { longestStopMs } from './embedded/postmaster.ts'
export { fixedQuery } from './fixed-query.ts'
export { type FolderLock, lockFolder } from './folder-lock.ts'
export { type MigrateOptions, migrate } from './migrate.ts'
export { type PageRequest, readPage } from './page.ts'
export { rememberedQuery, type RememberedOptions, type RememberedQuery } from './remembered-query.ts'
export type * from './schema.gen.ts'
export { databaseOf, Moment } from './snapshots.ts'
export { schemaVersion } from './schema-version.ts'
