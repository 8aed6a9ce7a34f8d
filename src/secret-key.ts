// The key that secrets in the database are sealed with (docs/design/webhooks.md, "Secrets"): from the configuration, or a file beside the database
// that is made at the first start. It is in no backup: who has a backup has no secrets.
import { link, mkdir, open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { InputError, isSystemError, type Log, type Randomness, Sealer, utf8 } from './base/index.ts'
import { type Database, sql } from './db/index.ts'

const fileName = 'secret.key'
const keyBytes = 32
const fact = 'secret_key'

/** InputError 'config' when the file is there and holds no key. */
export async function openSealer(
  { data, secretKey }: { readonly data: string; readonly secretKey: string | null },
  randomness: Randomness,
): Promise<Sealer> {
  return new Sealer(secretKey === null ? await keyOfFile(join(data, fileName), data, randomness) : utf8(secretKey), randomness)
}

/** Nodes of one database must have one key: else a secret that one sealed is of no use to another. */
export async function compareKeys(db: Database, sealer: Sealer, log: Log): Promise<void> {
  const { rows } = await sql<{ value: string }>`
    with made as (insert into server_fact (name, value) values (${fact}, ${sealer.keyId}) on conflict do nothing returning value)
    select value from made union all select value from server_fact where name = ${fact}`.execute(db.queries)
  if (rows.length === 0 || rows.some(({ value }) => value === sealer.keyId)) return
  log.warn(
    { here: sealer.keyId, before: rows[0]?.value },
    'the secrets in the database were sealed with another secretKey: with this one, webhooks, mirrors and upstreams of images that have a secret fail',
  )
}

async function keyOfFile(path: string, folder: string, randomness: Randomness): Promise<Uint8Array> {
  const present = await readKey(path)
  if (present !== null) return present
  await mkdir(folder, { recursive: true })
  const own = `${path}.${randomness.uuid()}`
  const file = await open(own, 'wx', 0o600)
  try {
    await file.writeFile(`${Buffer.from(randomness.bytes(keyBytes)).toString('base64')}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  try {
    await link(own, path) // whoever is first: the other takes his
  } catch (error) {
    if (!isSystemError(error, 'EEXIST')) throw error
  } finally {
    await rm(own)
  }
  return (await readKey(path)) as Uint8Array
}

async function readKey(path: string): Promise<Uint8Array | null> {
  let text: string
  try {
    text = await readFile(path, 'latin1')
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return null
    throw error
  }
  const key = new Uint8Array(Buffer.from(text.trim(), 'base64'))
  if (key.length < keyBytes) {
    throw new InputError('config', `${path} holds no key: put the one back that was there; without it, secrets in the database are lost`)
  }
  return key
}
