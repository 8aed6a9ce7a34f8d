// The place where Sigstore's clients get the roots that they trust (a TUF repository, https://theupdateframework.io/specification/latest/), with a Sigstore of one's own:
// clients reach it by their own address of it, through a proxy, and trust its first root since it lies in their cache.
import { generateKeyPairSync, createHash, sign } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { tlsCertificate } from '../support/sigstore.ts'

const host = 'tuf-repo-cdn.sigstore.dev'
const roles = ['root', 'timestamp', 'snapshot', 'targets'] as const

export class SigstoreMirror {
  readonly #files: ReadonlyMap<string, string>
  readonly #certificate = tlsCertificate(host)
  readonly #secure = createSecureServer(this.#certificate, (request, response) => {
    const body = this.#files.get(request.url ?? '')
    response.writeHead(body === undefined ? 404 : 200, { 'content-type': 'application/json' }).end(body)
  })
  readonly #proxy = createServer((_request, response) => void response.writeHead(404).end())

  /** @param trustedRoot `trusted_root.json` */
  constructor(trustedRoot: string) {
    this.#files = repository(trustedRoot)
    this.#proxy.on('connect', (request, socket) => {
      if (request.url !== `${host}:443`) return void socket.end('HTTP/1.1 403 Forbidden\r\n\r\n')
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      this.#secure.emit('connection', socket)
    })
  }

  async open(): Promise<void> {
    await new Promise<void>((done) => this.#proxy.listen(0, '127.0.0.1', done))
  }

  /** What a client needs to reach it, and to trust it. Writes into `home`. @param caches where its tools keep what they trust */
  letIn(home: string, caches: readonly string[]): Record<string, string> {
    const certificate = join(home, 'mirror.pem')
    writeFileSync(certificate, this.#certificate.cert)
    for (const cache of caches) {
      mkdirSync(join(cache, host), { recursive: true })
      writeFileSync(join(cache, host, 'root.json'), this.#files.get('/1.root.json') ?? '')
    }
    const { port } = this.#proxy.address() as AddressInfo
    return { HTTPS_PROXY: `http://127.0.0.1:${port}`, no_proxy: '127.0.0.1', NODE_USE_ENV_PROXY: '1', NODE_EXTRA_CA_CERTS: certificate }
  }

  close(): void {
    this.#secure.closeAllConnections()
    this.#proxy.closeAllConnections()
    this.#proxy.close()
  }
}

/** By path. One key signs all. */
function repository(trustedRoot: string): Map<string, string> {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const key = {
    keytype: 'ed25519',
    scheme: 'ed25519',
    keyval: { public: publicKey.export({ type: 'spki', format: 'der' }).subarray(-32).toString('hex') },
  }
  const keyid = createHash('sha256').update(canonical(key)).digest('hex')
  const signed = (kind: string, more: object): string => {
    const document = { _type: kind, spec_version: '1.0.0', version: 1, expires: new Date(Date.now() + 86_400_000).toISOString(), ...more }
    const sig = sign(null, Buffer.from(canonical(document)), privateKey).toString('hex')
    return JSON.stringify({ signed: document, signatures: [{ keyid, sig }] })
  }
  const one = { keyids: [keyid], threshold: 1 }
  const hashes = { sha256: createHash('sha256').update(trustedRoot).digest('hex') }
  return new Map([
    [
      '/1.root.json',
      signed('root', { consistent_snapshot: false, keys: { [keyid]: key }, roles: Object.fromEntries(roles.map((role) => [role, one])) }),
    ],
    ['/timestamp.json', signed('timestamp', { meta: { 'snapshot.json': { version: 1 } } })],
    ['/snapshot.json', signed('snapshot', { meta: { 'targets.json': { version: 1 } } })],
    ['/targets.json', signed('targets', { targets: { 'trusted_root.json': { length: Buffer.byteLength(trustedRoot), hashes } } })],
    ['/targets/trusted_root.json', trustedRoot],
  ])
}

/** Keys in order, no spaces: what is signed. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([name, inner]) => `${JSON.stringify(name)}:${canonical(inner)}`).join(',')}}`
}
