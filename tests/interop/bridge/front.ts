// The bridge's own listener: what `git http-backend` decides before it runs git (is it a repository, is it exported, is the service on), then
// the import, then the request goes on to the server as one for the hosted repository.
import { createReadStream, existsSync, statSync } from 'node:fs'
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as httpRequest,
  type Server,
  type ServerResponse,
} from 'node:http'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { Key } from '../../../src/bucket/index.ts'
import type { HookPush } from '../../../src/git/receive-pack/index.ts'
import { DiskPush } from './disk-push.ts'
import { type BridgeRequest, readRequest } from './request.ts'
import { type DiskConfig, readConfig } from './disk-settings.ts'
import { fetchLazily, mayFetchLazily } from './lazy-fetch.ts'
import { type Hosted, Mirror, type Namespace } from './mirror.ts'
import { type DiskPlace, findPlace } from './place.ts'
import { type BridgedServer, contextHeaders } from './server.ts'
import type { PushedPack } from './write-back.ts'

const forwarded = ['accept', 'accept-language', 'content-encoding', 'content-length', 'content-type', 'expect', 'range', 'user-agent']
const services: Readonly<Record<string, { key: string; unset: boolean | 'who said who he is' }>> = {
  'git-upload-pack': { key: 'http.uploadpack', unset: true },
  'git-receive-pack': { key: 'http.receivepack', unset: 'who said who he is' },
  'git-upload-archive': { key: 'http.uploadarchive', unset: 'who said who he is' },
}

const noCache = {
  expires: 'Fri, 01 Jan 1980 00:00:00 GMT',
  pragma: 'no-cache',
  'cache-control': 'no-cache, max-age=0, must-revalidate',
}

class Refused extends Error {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message)
    this.status = status
    this.headers = headers
  }
}

export function makeFront(root: string, server: BridgedServer, tell: (message: string, error: unknown) => void): Server {
  const mirrors = new Map<string, Mirror>()
  const handle = async (incoming: IncomingMessage, response: ServerResponse) => {
    const { request, place } = await admit(root, incoming)
    if (request.method === 'GET' && request.tail.startsWith('/objects/pack/') && existsSync(join(place.gitDir, request.tail))) {
      sendDiskPack(place, request.tail, response)
      return
    }
    let mirror = mirrors.get(place.gitDir)
    if (!mirror) mirrors.set(place.gitDir, (mirror = new Mirror(server, place)))
    const free = await mirror.lock.take()
    try {
      const { hosted, namespace } = await mirror.update(place, request.environment, request.service === 'git-receive-pack')
      const bridged = { server, hosted, namespace, request }
      if (request.tail === '/git-receive-pack') {
        await push(bridged, place, incoming, response)
        mirror.touched(hosted)
      } else {
        const isLazy = mayFetchLazily(request, await readConfig(place))
        const body = isLazy ? await prefetch(mirror, request, incoming) : incoming
        free()
        await passOn(bridged, {}, incoming, response, body)
      }
    } finally {
      free()
    }
  }
  const listener = createServer({ maxHeaderSize: 1 << 20, requestTimeout: 0 }, (incoming, response) => {
    handle(incoming, response).catch((error: unknown) => {
      if (!(error instanceof Refused)) tell(`${incoming.method} ${String(incoming.headers['x-repo-path'] ?? incoming.url)}`, error)
      if (response.headersSent) response.destroy()
      else refuse(incoming, response, error)
    })
  })
  return listener
}

/** What git http-backend asks before it does anything, in its order and with its answers. */
async function admit(root: string, incoming: IncomingMessage): Promise<{ request: BridgeRequest; place: DiskPlace }> {
  const request = readRequest(incoming)
  if (request === null) throw new Refused(404, 'Request not supported')
  const wanted = request.tail.startsWith('/git-') ? 'POST' : 'GET'
  if ((request.method === 'HEAD' ? 'GET' : request.method) !== wanted) {
    throw new Refused(405, 'Method Not Allowed', { allow: wanted === 'GET' ? 'GET, HEAD' : wanted })
  }
  const place = findPlace(root, request.folder)
  if (place === null) throw new Refused(404, `Not a git repository: '${request.folder}'`)
  if (!request.environment.has('GIT_HTTP_EXPORT_ALL') && !existsSync(join(place.gitDir, 'git-daemon-export-ok'))) {
    throw new Refused(404, `Repository not exported: '${request.folder}'`)
  }
  assertEnabled(request, await readConfig(place))
  return { request, place }
}

function assertEnabled({ service, user }: BridgeRequest, { values }: DiskConfig): void {
  if (service === null) {
    if (!flag(values['http.getanyfile'], true)) throw new Refused(403, 'Unsupported service: getanyfile')
    return
  }
  const known = Object.hasOwn(services, service) ? services[service] : undefined
  if (known === undefined) throw new Refused(403, `Unsupported service: '${service}'`)
  const unset = known.unset === 'who said who he is' ? user !== null : known.unset
  if (!flag(values[known.key], unset)) throw new Refused(403, `Service not enabled: '${service.slice('git-'.length)}'`)
}

function flag(values: readonly string[] | undefined, unset: boolean): boolean {
  const value = values?.at(-1)?.toLowerCase()
  if (value === undefined) return unset
  return !['false', 'no', 'off', '0', ''].includes(value)
}

interface Bridged {
  readonly server: BridgedServer
  readonly hosted: Hosted
  readonly namespace: Namespace
  readonly request: BridgeRequest
}

/** The request's body, after what it needs has been fetched. Caller holds the lock. */
async function prefetch(mirror: Mirror, request: BridgeRequest, incoming: IncomingMessage): Promise<Readable> {
  const parts: Buffer[] = []
  for await (const part of incoming) parts.push(part as Buffer)
  const body = Buffer.concat(parts)
  const { place } = mirror
  const isGzip = /gzip/.test(incoming.headers['content-encoding'] ?? '')
  if (await fetchLazily(place, await readConfig(place), body, isGzip)) await mirror.update(place, request.environment, false)
  return Readable.from([body])
}

/** The lock is held until the push has ended: nobody else changes the hosted repository, and its hooks act on the disk meanwhile. */
async function push(bridged: Bridged, place: DiskPlace, incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const { server, request, namespace } = bridged
  const id = server.room.options.randomness.uuid()
  const packOf = (pushed: HookPush) => pushed.pack && pushedPack(server, pushed.pack)
  server.pushes.set(id, new DiskPush({ place, config: await readConfig(place), request, namespace: namespace.name, packOf }))
  try {
    await passOn(bridged, { [contextHeaders.push]: id }, incoming, response)
  } finally {
    server.pushes.delete(id)
  }
}

/** What the server holds of a push, as git would have received it. */
function pushedPack({ bucket }: BridgedServer, { tail, key, packBytes, objectCount }: NonNullable<HookPush['pack']>): PushedPack {
  const whole = { offset: 0, sizeBytes: packBytes }
  async function* bytes() {
    if (tail) yield tail.subarray(0, packBytes)
    else yield* bucket.stream(key as Key, whole)
  }
  return { objectCount, bytes }
}

async function passOn(
  bridged: Bridged,
  own: Readonly<Record<string, string>>,
  incoming: IncomingMessage,
  response: ServerResponse,
  body: Readable = incoming,
): Promise<void> {
  const { server, request, namespace } = bridged
  const { repository } = bridged.hosted
  const headers: Record<string, string> = { ...own, authorization: `Bearer ${server.owner.token}` }
  for (const name of forwarded) {
    const value = incoming.headers[name]
    if (typeof value === 'string') headers[name] = value
  }
  if (request.protocol !== '') headers['git-protocol'] = request.protocol
  if (namespace.name !== '') headers[contextHeaders.namespace] = encodeURIComponent(namespace.name)
  if (namespace.head !== null) headers[contextHeaders.head] = encodeURIComponent(namespace.head)
  const path = `/${server.owner.login}/${repository.name}.git${request.tail}${request.search}`
  const outgoing = httpRequest({ host: '127.0.0.1', port: server.nextPort(), path, method: request.method, headers })
  const done = Promise.withResolvers<void>()
  response.once('close', () => {
    if (!response.writableFinished) outgoing.destroy()
    done.resolve()
  })
  outgoing.on('error', (error) => done.reject(error))
  outgoing.on('response', (answer) => {
    response.writeHead(answer.statusCode ?? 500, cgiHeaders(answer.headers))
    answer.on('error', (error) => done.reject(error))
    answer.on('aborted', () => response.destroy())
    answer.pipe(response)
  })
  incoming.on('error', (error) => outgoing.destroy(error))
  body.pipe(outgoing)
  await done.promise
}

/** The server's headers as git http-backend would have sent them: the same set, in the same order. */
function cgiHeaders(headers: IncomingHttpHeaders): Record<string, string> {
  const kept: Record<string, string> = /no-cache/.test(headers['cache-control'] ?? '') ? { ...noCache } : {}
  for (const name of ['cache-control', 'content-type', 'content-length', 'last-modified', 'allow'] as const) {
    const value = headers[name]
    if (value !== undefined) kept[name] = String(value)
  }
  return kept
}

/** No body, as git http-backend: why is for the bridge's log and the reason phrase. */
function refuse(incoming: IncomingMessage, response: ServerResponse, error: unknown): void {
  const [status, headers] = error instanceof Refused ? [error.status, error.headers] : [500, {}]
  incoming.resume()
  response.writeHead(status, { ...noCache, ...headers, 'content-length': '0' })
  response.end()
}

/** A pack by the name that it has on the disk alone: the server has its objects in packs of its own, under other names. */
function sendDiskPack({ gitDir }: DiskPlace, tail: string, response: ServerResponse): void {
  const path = join(gitDir, tail)
  const type = tail.endsWith('.idx') ? 'application/x-git-packed-objects-toc' : 'application/x-git-packed-objects'
  response.writeHead(200, {
    'cache-control': 'public, max-age=31536000',
    'content-type': type,
    'content-length': String(statSync(path).size),
  })
  createReadStream(path)
    .on('error', () => response.destroy())
    .pipe(response)
}
