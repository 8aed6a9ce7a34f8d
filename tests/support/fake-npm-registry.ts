// An npm registry that does what a test tells it to: packages in memory, sign-in, and faults. It notes every request with its headers.
import { createHash } from 'node:crypto'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'

export interface SeenNpmRequest {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface FakeVersion {
  readonly bytes: Uint8Array
  /** Over what its document says of it. */
  readonly manifest?: Readonly<Record<string, unknown>>
  readonly dist?: Readonly<Record<string, unknown>>
  readonly publishedAt?: Date
}

/** Asked before everything else; true: it has answered. */
export type NpmAnswering = (request: IncomingMessage, response: ServerResponse, url: URL) => boolean

const abbreviatedType = 'application/vnd.npm.install-v1+json'

/** Listens on a port of the loopback address. */
export class FakeNpmRegistry {
  readonly seen: SeenNpmRequest[] = []
  readonly packages = new Map<string, Map<string, FakeVersion>>()
  readonly tags = new Map<string, Record<string, string>>()
  before: NpmAnswering = () => false
  /** What it wants in Authorization; null: nothing. */
  authorization: string | null = null
  /** Whether it knows abbreviated documents, ETags, packing. */
  knows = { abbreviated: true, etag: true, gzip: true }
  /** Bodies of what was posted are answered by these. */
  answers = new Map<string, unknown>()
  readonly #server: Server
  #port = 0

  constructor() {
    this.#server = createServer((request, response) => void this.#take(request, response))
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

  startAnew(): void {
    this.packages.clear()
    this.tags.clear()
    this.answers.clear()
    this.seen.length = 0
    Object.assign(this, { before: () => false, authorization: null, knows: { abbreviated: true, etag: true, gzip: true } })
  }

  /** The newest is `latest`. */
  publish(name: string, version: string, one: FakeVersion): void {
    const versions = this.packages.get(name) ?? new Map<string, FakeVersion>()
    this.packages.set(name, versions.set(version, one))
    this.tags.set(name, { ...this.tags.get(name), latest: version })
  }

  fileOf(name: string, version: string): string {
    return `${name.replace(/^.*\//, '')}-${version}.tgz`
  }

  documentOf(name: string, isAbbreviated: boolean): string | null {
    const versions = this.packages.get(name)
    if (versions === undefined) return null
    const described = [...versions].map(([version, one]) => [version, this.#manifest(name, version, one, isAbbreviated)])
    const times = [...versions].map(([version, { publishedAt = new Date(0) }]) => [version, publishedAt.toISOString()])
    const common = { name, 'dist-tags': this.tags.get(name), versions: Object.fromEntries(described) }
    if (isAbbreviated) return JSON.stringify({ ...common, modified: '2026-01-01T00:00:00.000Z' })
    return JSON.stringify({ _id: name, ...common, time: Object.fromEntries(times), readme: `of ${name}` })
  }

  #manifest(name: string, version: string, { bytes, manifest, dist }: FakeVersion, isAbbreviated: boolean): object {
    return {
      name,
      version,
      ...(isAbbreviated ? {} : { description: `${name} ${version}` }),
      ...manifest,
      dist: {
        tarball: `${this.origin}/${name}/-/${this.fileOf(name, version)}`,
        shasum: createHash('sha1').update(bytes).digest('hex'),
        integrity: `sha512-${createHash('sha512').update(bytes).digest('base64')}`,
        signatures: [{ keyid: 'SHA256:upstream', sig: `of ${name}@${version}` }],
        ...dist,
      },
    }
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.origin)
    const pieces: Buffer[] = []
    for await (const piece of request) pieces.push(piece as Buffer)
    const body = Buffer.concat(pieces).toString()
    this.seen.push({ method: request.method ?? '', url: `${url.pathname}${url.search}`, headers: request.headers, body })
    if (!this.before(request, response, url)) this.#answer(request, response, url)
  }

  #answer(request: IncomingMessage, response: ServerResponse, url: URL): void {
    if (this.authorization !== null && request.headers.authorization !== this.authorization) return this.end(response, 401)
    const path = decodeURIComponent(url.pathname).slice(1)
    const answer = this.answers.get(path)
    if (answer !== undefined) return this.#json(request, response, JSON.stringify(answer), 'application/json')
    const [name = '', file] = path.split('/-/')
    if (file !== undefined) return this.#tarball(request, response, name, file)
    const isAbbreviated = this.knows.abbreviated && (request.headers.accept ?? '').includes(abbreviatedType)
    const document = this.documentOf(name, isAbbreviated)
    if (document === null) return this.end(response, 404)
    this.#json(request, response, document, isAbbreviated ? abbreviatedType : 'application/json')
  }

  #json(request: IncomingMessage, response: ServerResponse, text: string, type: string): void {
    const etag = `"${createHash('sha256').update(text).digest('hex').slice(0, 20)}"`
    if (this.knows.etag) response.setHeader('etag', etag)
    if (this.knows.etag && request.headers['if-none-match'] === etag) return this.end(response, 304)
    const isPacked = this.knows.gzip && /gzip/.test(String(request.headers['accept-encoding']))
    if (isPacked) response.setHeader('content-encoding', 'gzip')
    response.writeHead(200, { 'content-type': type })
    response.end(isPacked ? gzipSync(text) : text)
  }

  #tarball(request: IncomingMessage, response: ServerResponse, name: string, file: string): void {
    const found = [...(this.packages.get(name) ?? [])].find(([version]) => this.fileOf(name, version) === file)
    if (found === undefined) return this.end(response, 404)
    const { bytes } = found[1]
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
    const part = bytes.subarray(from)
    const range = from > 0 ? { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {}
    response.writeHead(from > 0 ? 206 : 200, { 'content-length': part.length, ...range })
    response.end(part)
  }

  end(response: ServerResponse, status: number, headers: Readonly<Record<string, string>> = {}): void {
    response.writeHead(status, headers)
    response.end()
  }
}
