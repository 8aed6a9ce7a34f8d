// Sigstore's bundles of in-toto statements (sigstore/protobuf-specs, sigstore_bundle.proto; in-toto/attestation, DSSE): what is said in one, of what, and by whom. Pure.
import { createPublicKey, verify, X509Certificate } from 'node:crypto'
import { fromUtf8, InputError, utf8 } from '../../base/index.ts'

export interface SignedStatement {
  readonly predicateType: string
  readonly subjects: readonly { readonly name: string; readonly sha512: string | null }[]
  /** Whoever signed has the key of the certificate in the bundle; null: the bundle has none, but names a key that is known elsewhere. */
  readonly certificate: X509Certificate | null
}

type Json = Readonly<Record<string, unknown>>

const mediaTypes = /^application\/vnd\.dev\.sigstore\.bundle(\+json;version=0\.[1-3]|\.v0\.3\+json)$/
const statementType = /^https:\/\/in-toto\.io\/Statement\/v(0\.1|1)$/
const payloadType = 'application/vnd.in-toto+json'
const mostSubjects = 100

/** InputError 'bad-provenance': it is none, or not signed by the certificate that is in it. */
export function parseSignedStatement(text: string): SignedStatement {
  const bundle = objectOf(parseJson(text, 'bundle'), 'bundle')
  if (typeof bundle['mediaType'] !== 'string' || !mediaTypes.test(bundle['mediaType'])) throw badBundle('is of an unknown kind')
  const envelope = objectOf(bundle['dsseEnvelope'], 'dsseEnvelope')
  const payload = bytesOf(envelope['payload'], 'payload')
  if (envelope['payloadType'] !== payloadType) throw badBundle('has no in-toto statement in it')
  const signatures = envelope['signatures']
  if (!Array.isArray(signatures) || signatures.length !== 1) throw badBundle('has not exactly one signature')
  const signature = bytesOf(objectOf(signatures[0], 'signature')['sig'], 'signature')
  const certificate = certificateOf(objectOf(bundle['verificationMaterial'], 'verificationMaterial'))
  if (certificate !== null && !isSigned(certificate, payload, signature)) throw badBundle('is not signed with the key of its certificate')
  return { ...statementOf(payload), certificate }
}

/** Whom a certificate of Sigstore's names: a URI (a workflow), or an address. */
export function signerOf({ subjectAltName }: X509Certificate): string | null {
  const match = /^(?:URI|email):(.+)$/.exec(subjectAltName ?? '')
  return match ? (match[1] as string).slice(0, 1024) : null
}

/** Of a version: `pkg:npm/%40scope/name@1.0.0` (package-url/purl-spec), as npm writes it. */
export function isPurlOf(purl: string, name: string, version: string): boolean {
  const [plain = ''] = purl.split('?')
  return [version, encodeURIComponent(version)].some((text) => plain === `pkg:npm/${name.replace(/^@/, '%40')}@${text}`)
}

function statementOf(payload: Uint8Array): Pick<SignedStatement, 'predicateType' | 'subjects'> {
  const statement = objectOf(parseJson(fromUtf8(payload), 'statement'), 'statement')
  const { _type, predicateType, subject } = statement
  if (typeof _type !== 'string' || !statementType.test(_type)) throw badBundle('has no in-toto statement in it')
  if (typeof predicateType !== 'string' || !/^https?:\/\/[\x21-\x7e]{1,500}$/.test(predicateType))
    throw badBundle('says nothing: its statement has no predicateType')
  if (!Array.isArray(subject) || subject.length > mostSubjects) throw badBundle('has no list of subjects')
  return {
    predicateType,
    subjects: subject.map((one: unknown) => {
      const { name, digest } = objectOf(one, 'subject')
      const { sha512 } = objectOf(digest, 'digest')
      return { name: String(name), sha512: typeof sha512 === 'string' ? sha512.toLowerCase() : null }
    }),
  }
}

function certificateOf(material: Json): X509Certificate | null {
  const chain = material['x509CertificateChain']
  const certificates = chain === undefined ? [] : objectOf(chain, 'x509CertificateChain')['certificates']
  if (['certificate', 'x509CertificateChain', 'publicKey'].filter((key) => material[key] !== undefined).length > 1)
    throw badBundle('names several keys')
  const leaf: unknown = material['certificate'] ?? (Array.isArray(certificates) ? certificates[0] : undefined)
  if (leaf === undefined) {
    if (material['publicKey'] === undefined) throw badBundle('says nothing of the key that it was signed with')
    return null
  }
  try {
    return new X509Certificate(bytesOf(objectOf(leaf, 'certificate')['rawBytes'], 'certificate'))
  } catch (cause) {
    if (cause instanceof InputError) throw cause
    throw new InputError('bad-provenance', 'The provenance bundle has a certificate that is none', { cause })
  }
}

/** DSSE's pre-authentication encoding (secure-systems-lab/dsse, protocol.md). */
function isSigned({ publicKey }: X509Certificate, payload: Uint8Array, signature: Uint8Array): boolean {
  const signed = Buffer.concat([utf8(`DSSEv1 ${payloadType.length} ${payloadType} ${payload.length} `), payload])
  const algorithm =
    publicKey.asymmetricKeyType === 'ed25519' ? null : publicKey.asymmetricKeyDetails?.namedCurve === 'secp384r1' ? 'sha384' : 'sha256'
  try {
    return verify(algorithm, signed, createPublicKey(publicKey.export({ type: 'spki', format: 'pem' })), signature)
  } catch {
    return false
  }
}

function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new InputError('bad-provenance', `The provenance bundle is damaged: its ${what} is not JSON`, { cause })
  }
}

function objectOf(value: unknown, what: string): Json {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw badBundle(`has no ${what}`)
  return value as Json
}

function bytesOf(value: unknown, what: string): Uint8Array {
  if (typeof value !== 'string' || value === '' || !/^[A-Za-z0-9+/]+={0,2}$/.test(value))
    throw badBundle(`has a ${what} that is not base64`)
  return Buffer.from(value, 'base64')
}

function badBundle(what: string): InputError {
  return new InputError('bad-provenance', `The provenance bundle ${what}`)
}
