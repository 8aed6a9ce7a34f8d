// A Sigstore of one's own, for tests: an authority that certifies workflows (Fulcio), its transparency log (CT), a log of what was signed (Rekor), the file that says
// that all three are to be trusted, and provenance as npm signs it.
import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'

const oids = {
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  commonName: '2.5.4.3',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  signedTimestamps: '1.3.6.1.4.1.11129.2.4.2',
}
const workflow = 'https://github.com/acme/widget/.github/workflows/release.yml@refs/tags/v1.0.0'

export interface Signed {
  readonly name: string
  readonly version: string
  readonly tarball: Uint8Array
  /** Instead of the tarball's. */
  readonly sha512?: string
  readonly subject?: string
}

export class TestSigstore {
  readonly workflow = workflow
  readonly #ca = keyPair()
  readonly #ctLog = keyPair()
  readonly #rekor = keyPair()
  readonly #root = certificate({
    issuer: 'root',
    subject: 'root',
    key: this.#ca,
    by: this.#ca,
    extensions: [extension(oids.basicConstraints, sequence(der(1, [0xff])), true)],
  })

  /** `trusted_root.json` */
  trustedRoot(): string {
    const log = (key: Pair, baseUrl: string) => ({
      baseUrl,
      hashAlgorithm: 'SHA2_256',
      publicKey: {
        rawBytes: spki(key).toString('base64'),
        keyDetails: 'PKIX_ECDSA_P256_SHA_256',
        validFor: { start: '2020-01-01T00:00:00Z' },
      },
      logId: { keyId: idOf(key).toString('base64') },
    })
    return JSON.stringify({
      mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
      tlogs: [log(this.#rekor, 'https://rekor.example')],
      ctlogs: [log(this.#ctLog, 'https://ct.example')],
      certificateAuthorities: [
        {
          subject: { organization: 'example', commonName: 'root' },
          uri: 'https://fulcio.example',
          certChain: { certificates: [{ rawBytes: this.#root.toString('base64') }] },
          validFor: { start: '2020-01-01T00:00:00Z' },
        },
      ],
      timestampAuthorities: [],
    })
  }

  /** Provenance of a tarball, as npm attaches it. */
  provenance({ name, version, tarball, ...instead }: Signed): string {
    const sha512 = instead.sha512 ?? createHash('sha512').update(tarball).digest('hex')
    const subject = instead.subject ?? `pkg:npm/${name.replace(/^@/, '%40')}@${version}`
    const statement = {
      _type: 'https://in-toto.io/Statement/v1',
      subject: [{ name: subject, digest: { sha512 } }],
      predicateType: 'https://slsa.dev/provenance/v1',
      predicate: { buildDefinition: { buildType: 'https://example.org/build' }, runDetails: { builder: { id: workflow } } },
    }
    const payloadType = 'application/vnd.in-toto+json'
    const payload = Buffer.from(JSON.stringify(statement))
    const key = keyPair()
    const signature = signWith(key, Buffer.concat([Buffer.from(`DSSEv1 ${payloadType.length} ${payloadType} ${payload.length} `), payload]))
    return JSON.stringify({
      mediaType: 'application/vnd.dev.sigstore.bundle+json;version=0.1',
      verificationMaterial: {
        x509CertificateChain: { certificates: [{ rawBytes: this.#leaf(key).toString('base64') }] },
        tlogEntries: [this.#entry(payload, signature)],
        timestampVerificationData: { rfc3161Timestamps: [] },
      },
      dsseEnvelope: { payload: payload.toString('base64'), payloadType, signatures: [{ sig: signature.toString('base64'), keyid: '' }] },
    })
  }

  /** Certified for the workflow, and told to the log before. */
  #leaf(key: Pair): Buffer {
    const extensions = [
      extension(oids.keyUsage, der(3, [7, 0x80])),
      extension(oids.subjectAltName, sequence(der(0x86, Buffer.from(workflow)))),
    ]
    const facts = { issuer: 'root', subject: '', key, by: this.#ca }
    const told = tbs({ ...facts, extensions })
    const timestamp = Buffer.alloc(8)
    timestamp.writeBigInt64BE(BigInt(Date.now()))
    const issuer = createHash('sha256').update(spki(this.#ca)).digest()
    const signed = Buffer.concat([Buffer.from([0, 0]), timestamp, uint(1, 2), issuer, uint(told.length, 3), told, uint(0, 2)])
    const signature = signWith(this.#ctLog, signed)
    const sct = Buffer.concat([
      Buffer.from([0]),
      idOf(this.#ctLog),
      timestamp,
      uint(0, 2),
      Buffer.from([4, 3]),
      uint(signature.length, 2),
      signature,
    ])
    const list = Buffer.concat([uint(sct.length + 2, 2), uint(sct.length, 2), sct])
    return certificate({ ...facts, extensions: [...extensions, extension(oids.signedTimestamps, der(4, list))] })
  }

  #entry(payload: Buffer, signature: Buffer) {
    const body = Buffer.from(
      JSON.stringify({
        apiVersion: '0.0.1',
        kind: 'dsse',
        spec: {
          payloadHash: { algorithm: 'sha256', value: createHash('sha256').update(payload).digest('hex') },
          signatures: [{ signature: signature.toString('base64') }],
        },
      }),
    ).toString('base64')
    const integratedTime = Math.floor(Date.now() / 1000)
    const promised = JSON.stringify({ body, integratedTime, logID: idOf(this.#rekor).toString('hex'), logIndex: 7 })
    return {
      logIndex: '7',
      logId: { keyId: idOf(this.#rekor).toString('base64') },
      kindVersion: { kind: 'dsse', version: '0.0.1' },
      integratedTime: String(integratedTime),
      inclusionPromise: { signedEntryTimestamp: signWith(this.#rekor, Buffer.from(promised)).toString('base64') },
      canonicalizedBody: body,
    }
  }
}

interface Pair {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

function keyPair(): Pair {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' })
}

function spki({ publicKey }: Pair): Buffer {
  return createPublicKey(publicKey.export({ type: 'spki', format: 'pem' })).export({ type: 'spki', format: 'der' })
}

function idOf(key: Pair): Buffer {
  return createHash('sha256').update(spki(key)).digest()
}

function signWith({ privateKey }: Pair, bytes: Uint8Array): Buffer {
  return sign('sha256', bytes, privateKey)
}

interface Certified {
  readonly issuer: string
  readonly subject: string
  readonly key: Pair
  readonly by: Pair
  readonly extensions: readonly Buffer[]
}

/** A server's, signed by itself, in PEM. */
export function tlsCertificate(host: string): { readonly cert: string; readonly key: string } {
  const key = keyPair()
  const extensions = [
    extension(oids.basicConstraints, sequence(der(1, [0xff])), true),
    extension(oids.subjectAltName, sequence(der(0x82, Buffer.from(host)))),
  ]
  const bytes = certificate({ issuer: host, subject: host, key, by: key, extensions })
  const cert = `-----BEGIN CERTIFICATE-----\n${bytes.toString('base64').replaceAll(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`
  return { cert, key: key.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string }
}

/** X.509 (RFC 5280), as little of it as will do. */
function tbs({ issuer, subject, key, extensions }: Certified): Buffer {
  const minutes = (by: number) =>
    der(
      0x17,
      Buffer.from(
        `${new Date(Date.now() + by * 60_000)
          .toISOString()
          .replaceAll(/[-:T]|\.\d+/g, '')
          .slice(2)}`,
      ),
    )
  return sequence(
    der(0xa0, der(2, [2])),
    der(2, [1]),
    algorithm,
    nameOf(issuer),
    sequence(minutes(-10), minutes(10)),
    nameOf(subject),
    spki(key),
    der(0xa3, sequence(...extensions)),
  )
}

function certificate(certified: Certified): Buffer {
  const signed = tbs(certified)
  return sequence(signed, algorithm, der(3, Buffer.concat([Buffer.from([0]), signWith(certified.by, signed)])))
}

const algorithm = sequence(oid(oids.ecdsaWithSha256))

function nameOf(text: string): Buffer {
  return text === '' ? sequence() : sequence(der(0x31, sequence(oid(oids.commonName), der(12, Buffer.from(text)))))
}

function extension(name: string, value: Buffer, isCritical = false): Buffer {
  return sequence(oid(name), ...(isCritical ? [der(1, [0xff])] : []), der(4, value))
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(0x30, Buffer.concat(parts))
}

function der(tag: number, content: Uint8Array | readonly number[]): Buffer {
  const bytes = Buffer.from(content)
  const length =
    bytes.length < 0x80 ? [bytes.length] : bytes.length < 0x100 ? [0x81, bytes.length] : [0x82, bytes.length >> 8, bytes.length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...length]), bytes])
}

function oid(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number)
  const groups = (value: number): number[] =>
    value < 0x80 ? [value] : [...groups(Math.floor(value / 0x80)).map((byte) => byte | 0x80), value % 0x80]
  return der(6, [first * 40 + second, ...rest.flatMap(groups)])
}

function uint(value: number, bytes: number): Buffer {
  const out = Buffer.alloc(bytes)
  out.writeUIntBE(value, 0, bytes)
  return out
}
