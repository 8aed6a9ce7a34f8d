// The registry's own key, which signs versions. The first node that needs one makes it and keeps it in the database, sealed: every node signs with the same one. Where
// the server has got another secret key since, a new one is made, and the old one's signatures stay good for what was published before.
import { createPrivateKey, generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { type Log, type Sealer, UnavailableError } from '../../base/index.ts'
import { type Database, sql } from '../../db/index.ts'
import { keyIdOf, publicKeyText } from '../format/signature.ts'

export interface SigningKey {
  readonly keyid: string
  readonly key: KeyObject
}

export interface PublicKey {
  readonly keyid: string
  /** Base64 of SubjectPublicKeyInfo. */
  readonly key: string
  /** What was published later isn't signed with it; null: it signs. */
  readonly expiresAt: Date | null
}

const purpose = 'npm signing key'

/** Makes one where there is none that this server can open. Two at once: both take the one that came first. */
export async function signingKey(db: Database, sealer: Sealer, log: Log): Promise<SigningKey> {
  const present = await openKey(db, sealer, log)
  if (present !== null) return present
  const { privateKey, publicKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' })
  const keyid = keyIdOf(publicKey)
  const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }) as string
  const sealed = sealer.seal(pem, purpose)
  const made = await db.transaction(async (tx) => {
    await sql`lock table npm_signing_key in share row exclusive mode`.execute(tx)
    const other = await tx.selectFrom('npm_signing_key').select('private_key').where('expires_at', 'is', null).executeTakeFirst()
    if (other !== undefined && isOpen(sealer, other.private_key)) return false
    await tx.updateTable('npm_signing_key').set({ expires_at: sql<Date>`now()` }).where('expires_at', 'is', null).execute()
    await tx
      .insertInto('npm_signing_key')
      .values({ keyid, public_key: publicKeyText(publicKey), private_key: sealed })
      .execute()
    return true
  })
  if (!made) return signingKey(db, sealer, log)
  log.info({ keyid }, 'made a key that signs npm packages')
  return { keyid, key: privateKey }
}

/** All that there ever were, the one that signs first. */
export async function publicKeys(db: Database): Promise<PublicKey[]> {
  const rows = await db.queries
    .selectFrom('npm_signing_key')
    .select(['keyid', 'public_key', 'expires_at'])
    .orderBy('created_at', 'desc')
    .execute()
  return rows.map((row) => ({ keyid: row.keyid, key: row.public_key, expiresAt: row.expires_at }))
}

async function openKey({ queries }: Database, sealer: Sealer, log: Log): Promise<SigningKey | null> {
  const row = await queries
    .selectFrom('npm_signing_key')
    .select(['keyid', 'private_key'])
    .where('expires_at', 'is', null)
    .executeTakeFirst()
  if (row === undefined) return null
  if (!isOpen(sealer, row.private_key)) {
    log.warn({ keyid: row.keyid }, 'the key that signs npm packages was sealed with another secretKey; a new one is made')
    return null
  }
  return { keyid: row.keyid, key: createPrivateKey(sealer.open(row.private_key, purpose)) }
}

/** False where another server's key sealed it; CorruptError where it was changed. */
function isOpen(sealer: Sealer, sealed: string): boolean {
  try {
    sealer.open(sealed, purpose)
    return true
  } catch (error) {
    if (error instanceof UnavailableError && error.code === 'other-key') return false
    throw error
  }
}
