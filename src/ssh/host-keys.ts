// The server's own keys. The first start makes them, and keeps them in the database, sealed: every node shows the same ones, and a client that has seen
// one node trusts the others. Who keeps secrets elsewhere names files instead (docs/design/ssh.md).
import { readFile } from 'node:fs/promises'
import ssh2 from 'ssh2'
import { fingerprintOf, formatFingerprint } from '../access/index.ts'
import { InputError, type Log, type Sealer } from '../base/index.ts'
import type { Database } from '../db/index.ts'

/** Ed25519 for all of today, the others for clients that don't know it. */
const kinds = [
  { type: 'ssh-ed25519', make: 'ed25519', options: {} },
  { type: 'ecdsa-sha2-nistp256', make: 'ecdsa', options: { bits: 256 } },
  { type: 'ssh-rsa', make: 'rsa', options: { bits: 3072 } },
] as const

const purpose = 'ssh host key'

/**
 * Private keys, in the order in which they are offered. InputError `host-key`: a file that isn't one; UnavailableError `other-key`: those in the database are
 * sealed with a key that this server doesn't have.
 * @param files null: those in the database
 */
export async function hostKeys(db: Database, sealer: Sealer, files: readonly string[] | null, log: Log): Promise<string[]> {
  const keys = files === null ? await sharedKeys(db, sealer, log) : await Promise.all(files.map(readKey))
  const fingerprints = keys.map((key) => fingerprintLine(key))
  log.info({ keys: fingerprints }, 'SSH host keys')
  return keys
}

/** Two first starts at once: both make keys, and both take those that came first. */
async function sharedKeys({ queries }: Database, sealer: Sealer, log: Log): Promise<string[]> {
  const read = async () =>
    new Map((await queries.selectFrom('ssh_host_key').selectAll().execute()).map((row) => [row.type, row.private_key]))
  let present = await read()
  const missing = kinds.filter(({ type }) => !present.has(type))
  if (missing.length > 0) {
    const made = await Promise.all(
      missing.map(async (kind) => ({ type: kind.type, private_key: sealer.seal(await makeKey(kind), purpose) })),
    )
    await queries
      .insertInto('ssh_host_key')
      .values(made)
      .onConflict((conflict) => conflict.doNothing())
      .execute()
    log.info({ types: missing.map(({ type }) => type) }, 'made SSH host keys')
    present = await read()
  }
  return kinds.map(({ type }) => sealer.open(present.get(type) as string, purpose))
}

/** The next start makes others. */
export async function forgetHostKeys({ queries }: Database): Promise<number> {
  const { numDeletedRows } = await queries.deleteFrom('ssh_host_key').executeTakeFirst()
  return Number(numDeletedRows)
}

async function makeKey({ make, options }: (typeof kinds)[number]): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  ssh2.utils.generateKeyPair(make as 'rsa', options as { bits: number }, (error, keys) => {
    if (error) reject(error)
    else resolve(keys.private)
  })
  return await promise
}

async function readKey(file: string): Promise<string> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    throw new InputError('host-key', `the SSH host key ${file} cannot be read`, { cause })
  }
  const key = ssh2.utils.parseKey(text)
  if (key instanceof Error) throw new InputError('host-key', `${file} is not an SSH private key without a passphrase`, { cause: key })
  if (!key.isPrivateKey()) throw new InputError('host-key', `${file} is a public key; the server needs the private one`)
  if (key.type === 'ssh-dss') throw new InputError('host-key', `${file} is a DSA key, which no client trusts any more`)
  return text
}

/** `ssh-ed25519 SHA256:…` */
function fingerprintLine(privateKey: string): string {
  const key = ssh2.utils.parseKey(privateKey)
  if (key instanceof Error) throw new Error('a host key that was kept is none', { cause: key })
  return `${key.type} ${formatFingerprint(fingerprintOf(key.getPublicSSH()))}`
}
