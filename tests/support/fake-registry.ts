// A registry that does what a test tells it to: images in memory, sign-in by Basic or tokens, and faults. It notes every request with its headers.
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface SeenRequest {
  readonly method: string
  readonly url: string
  readonly authorization: string | undefined
}

export type Answering = (request: IncomingMessage, response: ServerResponse, url: URL) => boolean

export const manifestType = 'application/vnd.oci.image.manifest.v1+json'
export const digestOf = (bytes: Uint8Array, algorithm = 'sha256') => `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`

/** Listens on a port of the loopback address. */
export class FakeRegistry {
  readonly seen: SeenRequest[] = []
  readonly manifests = new Map<string, { readonly bytes: Uint8Array; readonly mediaType: string }>()
  readonly tags = new Map<string, Map<string, string>>()
  readonly blobs = new Map<string, Uint8Array>()
  /** Asked before everything else; true: it has answered. */
  before: Answering = () => false
  /** Null: whoever asks is let in. */
  credentials: { readonly username: string; readonly password: string } | null = null
  scheme: 'basic' | 'bearer' = 'bearer'
  /** What the challenge names; null: its own. */
  realm: string | null = null
  /** Tokens that it has given, with their scope; those that are taken out are void. */
  readonly tokens = new Map<string, string>()
  readonly #server: Server
  #port = 0

  constructor() {
    this.#server = createServer((request, response) => this.#answer(request, response))
  }

  async listen(): Promise<this> {
    await new Promise<void>((done) => void this.#server.listen(this.#port, '127.0.0.1', done))
    this.#port = (this.#server.address() as AddressInfo).port
    return this
  }

  /** May `listen` again, on the same port. */
  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise<void>((done) => void this.#server.close(() => done()))
  }

  get origin(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** How often something was asked for. */
  count(pattern: RegExp): number {
    return this.seen.filter(({ method, url }) => pattern.test(`${method} ${url}`)).length
  }

  addBlob(bytes: Uint8Array): string {
    const digest = digestOf(bytes)
    this.blobs.set(digest, bytes)
    return digest
  }

  addManifest(name: string, content: object, tag?: string, mediaType = manifestType): string {
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...content }))
    const digest = digestOf(bytes)
    this.manifests.set(`${name}@${digest}`, { bytes, mediaType })
    const tags = this.tags.get(name) ?? new Map<string, string>()
    this.tags.set(name, tags)
    if (tag !== undefined) tags.set(tag, digest)
    return digest
  }

  /** An image with a config and layers of those bytes. */
  addImage(name: string, tag: string, layers: readonly Uint8Array[]): string {
    const config = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [] } }))
    const descriptor = (mediaType: string, bytes: Uint8Array) => ({ mediaType, digest: this.addBlob(bytes), size: bytes.length })
    return this.addManifest(
      name,
      {
        config: descriptor('application/vnd.oci.image.config.v1+json', config),
        layers: layers.map((bytes) => descriptor('application/vnd.oci.image.layer.v1.tar', bytes)),
      },
      tag,
    )
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', this.origin)
    const { authorization } = request.headers
    this.seen.push({ method: request.method ?? '', url: `${url.pathname}${url.search}`, authorization })
    if (this.before(request, response, url)) return
    if (url.pathname === '/token') return this.#token(response, url, authorization)
    if (!this.#isIn(authorization, url)) return this.#challenge(response)
    const path = /^\/v2\/(?<name>.+)\/(?<kind>manifests|blobs|tags|referrers)\/(?<reference>[^/]+)$/.exec(url.pathname)?.groups
    if (path === undefined) return this.#end(response, 404)
    const { name = '', kind = '', reference = '' } = path
    if (kind === 'manifests') return this.#manifest(request, response, name, reference)
    if (kind === 'blobs') return this.#blob(request, response, reference)
    if (kind === 'tags') return this.#list(response, name, url)
    this.#end(response, 404)
  }

  #manifest(request: IncomingMessage, response: ServerResponse, name: string, reference: string): void {
    const digest = this.tags.get(name)?.get(reference) ?? reference
    const manifest = this.manifests.get(`${name}@${digest}`)
    if (manifest === undefined) return this.#end(response, 404)
    const headers = { 'content-type': manifest.mediaType, 'content-length': manifest.bytes.length, 'docker-content-digest': digest }
    response.writeHead(200, { ...headers, etag: `"${digest}"` })
    response.end(request.method === 'HEAD' ? undefined : manifest.bytes)
  }

  #blob(request: IncomingMessage, response: ServerResponse, digest: string): void {
    const bytes = this.blobs.get(digest)
    if (bytes === undefined) return this.#end(response, 404)
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
    const part = bytes.subarray(from)
    const range = from > 0 ? { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {}
    response.writeHead(from > 0 ? 206 : 200, { 'content-length': part.length, ...range })
    response.end(request.method === 'HEAD' ? undefined : part)
  }

  #list(response: ServerResponse, name: string, url: URL): void {
    const tags = this.tags.get(name)
    if (tags === undefined) return this.#end(response, 404)
    const count = Math.min(Number(url.searchParams.get('n') ?? 100), 100)
    const last = url.searchParams.get('last') ?? ''
    const rest = [...tags.keys()].sort().filter((tag) => tag > last)
    const page = rest.slice(0, count)
    const link = rest.length > count ? { link: `</v2/${name}/tags/list?last=${page.at(-1)}&n=${count}>; rel="next"` } : {}
    response.writeHead(200, { 'content-type': 'application/json', ...link })
    response.end(JSON.stringify({ name, tags: page }))
  }

  #token(response: ServerResponse, url: URL, authorization: string | undefined): void {
    if (this.credentials !== null && authorization !== this.#basic()) return this.#end(response, 401)
    const token = `token-${this.tokens.size}`
    this.tokens.set(token, url.searchParams.get('scope') ?? '')
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ token, expires_in: 300 }))
  }

  #isIn(authorization: string | undefined, url: URL): boolean {
    if (this.credentials === null && this.realm === null) return true
    if (this.scheme === 'basic') return authorization === this.#basic()
    const scope = this.tokens.get(authorization?.replace(/^Bearer /, '') ?? '')
    return scope !== undefined && url.pathname.startsWith(`/v2/${scope.split(':')[1]}/`)
  }

  #challenge(response: ServerResponse): void {
    const realm = this.realm ?? `${this.origin}/token`
    const challenge = this.scheme === 'basic' ? 'Basic realm="fake"' : `Bearer realm="${realm}",service="fake",scope="repository:*:*"`
    response.writeHead(401, { 'www-authenticate': challenge }).end()
  }

  #basic(): string {
    return `Basic ${Buffer.from(`${this.credentials?.username}:${this.credentials?.password}`).toString('base64')}`
  }

  #end(response: ServerResponse, status: number): void {
    response.writeHead(status, { 'content-type': 'application/json' }).end('{"errors":[]}')
  }
}
