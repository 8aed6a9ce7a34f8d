// Rows against keys: what lies in the bucket that no row speaks of, what rows speak of that doesn't lie there, and what is needed and about to
// be deleted. The system runs meanwhile. Why nothing is reported that is right:
// - a key's intent row is there before its first byte, and makes room for its pack or history row (or its deletion) in one transaction. So a key that a
//   listing shows has a row in every snapshot taken afterwards, until it is deleted: what has none is looked for in the bucket once more.
// - a row's key is there before the row. A row that was read and whose key is missing then must still be there.
// Rows and listing are gone through by parts of the prefix, so that memory is bounded however many there are.
import {
  type Bucket,
  historyPrefix,
  packPrefix,
  parseKey,
  pathTablePrefix,
  segmentKey,
  segmentPrefix,
  wholeKey,
  wholePrefix,
} from '../../bucket/index.ts'
import { type Database, sql, type Tx } from '../../db/index.ts'
import { type Finding, finding } from './finding.ts'

/** One kind of key, and the rows that name such keys. Other rooms' kinds are handed in beside these. */
export interface KeyKind {
  readonly prefix: string
  /** For people: `stored pack`. */
  readonly name: string
  /** Keys below that prefix (this kind's or longer) that rows name. */
  readonly named: (tx: Tx, prefix: string) => Promise<readonly string[]>
  /** True where every row's value is read anyway: only keys without rows are looked for then. */
  readonly isReadElsewhere: boolean
}

export const packKeys: KeyKind = {
  prefix: packPrefix,
  name: 'stored pack',
  named: (tx, prefix) => keysOf(tx, 'pack', prefix),
  isReadElsewhere: true,
}

export const historyKeys: KeyKind = {
  prefix: historyPrefix,
  name: 'history table',
  named: (tx, prefix) => keysOf(tx, 'history', prefix),
  isReadElsewhere: true,
}

export const pathTableKeys: KeyKind = {
  prefix: pathTablePrefix,
  name: 'path table',
  named: (tx, prefix) => keysOf(tx, 'path_table', prefix),
  isReadElsewhere: true,
}

/** The content store's: it reads its rows' values back by itself; parts of uploads that are under way it doesn't. */
export const segmentKeys: KeyKind = {
  prefix: segmentPrefix,
  name: 'segment',
  named: async (tx, prefix) => {
    const { rows } = await sql<{ uuid: string }>`select uuid::text as uuid from segment where tail is null`.execute(tx)
    return rows.map(({ uuid }) => segmentKey(uuid)).filter((key) => key.startsWith(prefix))
  },
  isReadElsewhere: true,
}

export const wholeKeys: KeyKind = {
  prefix: wholePrefix,
  name: 'part of a whole content',
  named: async (tx, prefix) => {
    const { rows } = await sql<{ uuid: string }>`select uuid::text as uuid from whole_part where tail is null`.execute(tx)
    return rows.map(({ uuid }) => wholeKey(uuid)).filter((key) => key.startsWith(prefix))
  },
  isReadElsewhere: false,
}

/** With more keys of a kind than this, each of the 256 folders below its prefix is a part of its own. */
const mostAtOnce = 100_000

export interface KeyCounts {
  readonly keys: number
  readonly keyBytes: number
}

export interface CheckKeysOptions {
  readonly kinds: readonly KeyKind[]
  readonly signal: AbortSignal
  readonly progress: (kind: string, keys: number) => void
  readonly report: (found: Finding) => void
  /** For tests. */
  readonly mostAtOnce?: number
}

/** @throws UnavailableError; the signal's reason */
export async function checkKeys(db: Database, bucket: Bucket, options: CheckKeysOptions): Promise<KeyCounts> {
  let keys = 0
  let keyBytes = 0
  for (const kind of options.kinds) {
    let done = 0
    for (const prefix of await parts(db, kind, options.mostAtOnce ?? mostAtOnce)) {
      const listed = new Set<string>()
      for await (const { key, sizeBytes } of bucket.list(prefix, options.signal)) {
        listed.add(key)
        keyBytes += sizeBytes
        options.progress(kind.name, done + listed.size)
      }
      done += listed.size
      await comparePart(db, bucket, kind, prefix, listed, options)
    }
    keys += done
  }
  return { keys, keyBytes }
}

async function parts(db: Database, kind: KeyKind, most: number): Promise<string[]> {
  const { named } = await readRows(db, kind, kind.prefix)
  if (named.size <= most) return [kind.prefix]
  return Array.from({ length: 256 }, (_, i) => `${kind.prefix}${i.toString(16).padStart(2, '0')}/`)
}

async function comparePart(
  db: Database,
  bucket: Bucket,
  kind: KeyKind,
  prefix: string,
  listed: ReadonlySet<string>,
  { report, signal }: CheckKeysOptions,
): Promise<void> {
  const rows = await readRows(db, kind, prefix)
  for (const key of rows.named) {
    const doom = rows.intended.has(key) ? 'an intent row, as if it were being written' : rows.doomed.has(key) ? 'a row of deletions' : null
    if (doom) report(finding('key-doomed', `a ${kind.name} that is needed has ${doom}`, { key }))
    if (kind.isReadElsewhere || listed.has(key) || (await bucket.head(parseKey(key), signal))) continue
    const again = await readRows(db, kind, key)
    if (again.named.has(key)) report(finding('key-missing', `a ${kind.name} is missing`, { key }))
  }
  for (const key of listed) {
    if (rows.named.has(key) || rows.intended.has(key) || rows.doomed.has(key)) continue
    if (!(await bucket.head(parseKey(key), signal))) continue
    const again = await readRows(db, kind, key)
    if (again.named.has(key) || again.intended.has(key) || again.doomed.has(key)) continue
    report(finding('key-stray', `no row speaks of this ${kind.name}`, { key }))
  }
}

interface KeyRows {
  readonly named: ReadonlySet<string>
  readonly intended: ReadonlySet<string>
  readonly doomed: ReadonlySet<string>
}

async function readRows(db: Database, kind: KeyKind, prefix: string): Promise<KeyRows> {
  return db.transaction(
    async (tx) => ({
      named: new Set(await kind.named(tx, prefix)),
      intended: new Set(await keysOf(tx, 'upload_intent', prefix)),
      doomed: new Set(await keysOf(tx, 'key_deletion', prefix)),
    }),
    { isolation: 'repeatable read', isReadOnly: true, mayRetry: true },
  )
}

async function keysOf(
  tx: Tx,
  table: 'pack' | 'history' | 'path_table' | 'upload_intent' | 'key_deletion',
  prefix: string,
): Promise<string[]> {
  const { rows } = await sql<{ key: string }>`select key from ${sql.table(table)} where starts_with(key, ${prefix})`.execute(tx)
  return rows.map((row) => row.key)
}
