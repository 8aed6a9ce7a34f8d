// OpenPGP (RFC 9580, and 4880 before it) by OpenPGP.js: keys looked into, signatures checked. In a worker, which loads the library when it is first needed.
// Keys come from users, signatures and payloads from whoever pushes: each is bounded before it is read.
import { InputError } from '../../base/index.ts'
import type { Key, Subkey } from 'openpgp'
import type { GpgFacts, GpgPart } from '../../access/index.ts'

const load = () => import('openpgp')

const most = { keyCharacters: 128 << 10, signatureCharacters: 32 << 10, parts: 20, users: 50 }
/** What it costs to check a signature stays bounded: no DSA, whose numbers the library takes as long as they come; RSA as the runtime has it. */
const algorithms: ReadonlySet<string> = new Set([
  'rsaEncryptSign',
  'rsaSign',
  'rsaEncrypt',
  'ecdsa',
  'ecdh',
  'eddsaLegacy',
  'ed25519',
  'ed448',
  'x25519',
  'x448',
])
const mostRsaBits = 16_384

/** InputError `bad-gpg-key`, with words for whoever sent it. */
export async function inspectOpenPgpKey(text: string): Promise<GpgFacts & { readonly armored: string }> {
  if (text.length > most.keyCharacters)
    throw badKey(`A key has at most ${most.keyCharacters} characters; export it with --export-options export-minimal`)
  const { enums, readKeys } = await load()
  let keys: Key[]
  try {
    keys = await readKeys({ armoredKeys: text })
  } catch (cause) {
    throw badKey('The key is none in OpenPGP’s form: paste what gpg --armor --export prints', cause)
  }
  const [key] = keys
  if (!key || keys.length > 1) throw badKey('One key at a time: gpg --armor --export KEY-ID')
  if (key.isPrivate()) throw badKey('This is a private key: whoever has seen it can use it. Revoke it, and send only public ones')
  if (key.subkeys.length > most.parts || key.users.length > most.users) throw badKey('The key has too many parts or user ids')
  for (const part of [key, ...key.subkeys]) {
    const { algorithm, bits = 0 } = part.getAlgorithmInfo()
    if (!algorithms.has(algorithm) || bits > mostRsaBits)
      throw badKey(`Keys of the algorithm ${algorithm}${bits > 0 ? ` with ${bits} bits` : ''} are not taken`)
  }
  try {
    const primary = await key.getPrimaryUser().catch(() => null)
    const flags = primary?.selfCertification.keyFlags?.[0] ?? enums.keyFlags.certifyKeys | enums.keyFlags.signData
    const subkeys = await Promise.all(
      key.subkeys.map(async (subkey) => await partOf(subkey, await subkeyFlags(subkey), await subkeyRevoked(subkey))),
    )
    return {
      ...(await partOf(key, flags, await key.isRevoked())),
      armored: key.toPublic().armor(),
      emails: [...new Set(key.users.flatMap(({ userID }) => (userID?.email ? [userID.email] : [])))],
      subkeys,
    }
  } catch (cause) {
    if (cause instanceof InputError) throw cause
    throw badKey('The key’s own signatures are not sound', cause)
  }
}

function badKey(message: string, cause?: unknown): InputError {
  return new InputError('bad-gpg-key', message, { cause })
}

async function subkeyFlags(subkey: Subkey): Promise<number> {
  const last = subkey.bindingSignatures.toSorted((a, b) => Number(a.created ?? 0) - Number(b.created ?? 0)).at(-1)
  return last?.keyFlags?.[0] ?? 0
}

/** A part that its key's signatures don't hold is as good as a revoked one. */
async function subkeyRevoked(subkey: Subkey): Promise<boolean> {
  try {
    await subkey.verify(subkey.getCreationTime())
    return subkey.revocationSignatures.length > 0
  } catch {
    return true
  }
}

async function partOf(part: Key | Subkey, flags: number, isRevoked: boolean): Promise<GpgPart> {
  const { enums } = await load()
  const expiry = await part.getExpirationTime().catch(() => null)
  const can = (flag: number) => (flags & flag) !== 0
  return {
    keyId: part.getKeyID().toHex(),
    fingerprint: part.getFingerprint(),
    publicKey: Buffer.from(part.keyPacket.write()).toString('base64'),
    canSign: can(enums.keyFlags.signData),
    canEncryptComms: can(enums.keyFlags.encryptCommunication),
    canEncryptStorage: can(enums.keyFlags.encryptStorage),
    canCertify: can(enums.keyFlags.certifyKeys),
    createdAt: part.getCreationTime().toISOString(),
    expiresAt: expiry instanceof Date ? expiry.toISOString() : null,
    isRevoked,
  }
}

/** Who says that he made the signature: a key's id. InputError `openpgp-signature` for what is none, or several. */
export async function openPgpIssuer(text: string): Promise<string> {
  return (await readOne(text)).issuerKeyID.toHex()
}

async function readOne(text: string) {
  if (text.length > most.signatureCharacters || text.split('-----BEGIN').length !== 2) throw badSignature()
  const { readSignature } = await load()
  const signature = await readSignature({ armoredSignature: text }).catch((cause: unknown) => {
    throw badSignature(cause)
  })
  const [packet] = signature.packets
  if (!packet || signature.packets.length !== 1) throw badSignature()
  return packet
}

function badSignature(cause?: unknown): InputError {
  return new InputError('openpgp-signature', 'not one OpenPGP signature', { cause })
}

export interface KeyOutcome {
  readonly outcome: 'valid' | 'invalid' | 'expired_key' | 'not_signing_key'
  /** When the signature says that it was made; null: it doesn't. Times in ms since 1970. */
  readonly madeAt: number | null
  /** When it may be another one; null: never. */
  readonly until: number | null
}

/** @param nowMs by which keys have expired */
export async function verifyOpenPgp(text: string, payload: Uint8Array, armoredKey: string, nowMs: number): Promise<KeyOutcome> {
  const { createMessage, readKey, readSignature, verify } = await load()
  const packet = await readOne(text)
  const madeAt = packet.created?.getTime() ?? null
  const key = await readKey({ armoredKey })
  const part = key.getKeys(packet.issuerKeyID)[0]
  if (!part || madeAt === null) return { outcome: 'invalid', madeAt, until: null }
  const facts = await inspectOpenPgpKey(armoredKey)
  const known = [facts, ...facts.subkeys].find(({ keyId }) => keyId === part.getKeyID().toHex())
  if (!known || known.isRevoked || facts.isRevoked) return { outcome: 'invalid', madeAt, until: null }
  if (!known.canSign) return { outcome: 'not_signing_key', madeAt, until: null }
  const ends = [facts, known].flatMap(({ expiresAt }) => (expiresAt === null ? [] : [Date.parse(expiresAt)]))
  if (ends.some((end) => end <= Math.max(nowMs, madeAt))) return { outcome: 'expired_key', madeAt, until: null }
  // who renews his key makes its own signatures anew: later than what he signed before
  const config = { allowInsecureVerificationWithReformattedKeys: true }
  const message = await createMessage({ binary: payload })
  const signature = await readSignature({ armoredSignature: text })
  // the library asks whether the key was good then: what was made in the future isn't
  // one of a kind that the library doesn't know is as good as a wrong one
  const { signatures } = await verify({ message, signature, verificationKeys: key, date: new Date(nowMs), format: 'binary', config }).catch(
    () => ({ signatures: [] }),
  )
  const [only] = signatures
  const isGood = only !== undefined && signatures.length === 1 && (await only.verified.catch(() => false))
  if (isGood) return { outcome: 'valid', madeAt, until: ends.length === 0 ? null : Math.min(...ends) }
  return { outcome: 'invalid', madeAt, until: madeAt > nowMs ? madeAt : null }
}
