// A small HTTP server that serves fetches from a bare git repository's packs and refs through src/git/upload-pack alone: no database, no bucket.
import { execFileSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { InputError } from '../../src/base/index.ts'
import type { ObjectFormat, ObjectId } from '../../src/git/format/object-id.ts'
import { ObjectCache, ObjectReader } from '../../src/git/odb/object-reader.ts'
import {
  advertiseUploadPack,
  answerFetch,
  defaultRequestLimits,
  errorPacket,
  type FetchRepository,
  fetchEvents,
  type FetchRequest,
  type FetchOffer,
  fetchTask,
  formatLsRefs,
  openFetchRepository,
  parseNow,
  plainOffer,
  parseRequestV0,
  parseRequestV2,
  type VisibleRefs,
} from '../../src/git/upload-pack/index.ts'
import { type GitPack, gitPackSet, loadGitPack } from './git-pack.ts'

export interface ServedRepository {
  readonly format: ObjectFormat
  refs: VisibleRefs
  repository: FetchRepository
  /** Without one: what a repository without settings offers. */
  offer?: FetchOffer
}

/** What the bare repository holds now. Loose objects aren't seen: repack first. */
export async function loadRepository(path: string, references: 'all' | 'commits' = 'all'): Promise<ServedRepository> {
  const git = (...args: string[]) => execFileSync('git', ['-C', path, ...args], { maxBuffer: 1 << 28 }).toString()
  const format = git('rev-parse', '--show-object-format').trim() as ObjectFormat
  const folder = join(path, 'objects', 'pack')
  const names = readdirSync(folder).filter((name) => name.endsWith('.pack'))
  const age = (name: string) => statSync(join(folder, name), { bigint: true }).mtimeNs
  const packs: GitPack[] = []
  for (const name of names.sort((a, b) => (age(a) < age(b) ? -1 : 1))) {
    packs.push(await loadGitPack(join(folder, name.slice(0, -'.pack'.length)), format, references, gitPackSet(packs, format)))
  }
  const set = gitPackSet(packs, format)
  const repository = openFetchRepository(set, new ObjectReader(set, new ObjectCache(64 << 20)))
  const head = git('symbolic-ref', 'HEAD').trim()
  const lines = git('for-each-ref', '--format=%(objectname) %(refname)').split('\n')
  // not for-each-ref's %(*objectname): older gits follow only the first of several tags
  const derefs =
    lines.length > 1
      ? git('show-ref', '-d')
          .split('\n')
          .filter((line) => line.endsWith('^{}'))
      : []
  const peeled = new Map(derefs.map((line) => line.slice(0, -'^{}'.length).split(' ').toReversed() as [string, ObjectId]))
  return { format, repository, refs: visibleRefs(head, lines, peeled) }
}

function visibleRefs(head: string, listing: string[], peeled: ReadonlyMap<string, ObjectId>): VisibleRefs {
  const refs = listing
    .filter((line) => line !== '' && !line.includes(' refs/hidden/'))
    .map((line) => {
      const [oid, name] = line.split(' ') as [ObjectId, string]
      const target = peeled.get(name)
      return target ? { oid, name, peeled: target } : { oid, name }
    })
  return { head, refs, byName: new Map(refs.map((ref) => [ref.name, ref])) }
}

export interface FetchServer {
  readonly url: string
  /** What each POST asked for. */
  readonly requests: FetchRequest[]
  /** CPU of this process for each POST, in ms. */
  readonly cpuMs: number[]
  close(): Promise<void>
}

export async function startFetchServer(served: () => ServedRepository, port = 0): Promise<FetchServer> {
  const requests: FetchRequest[] = []
  const cpuMs: number[] = []
  const server = createServer((request, response) => {
    const before = process.cpuUsage()
    handle(request, response, served(), requests)
      .catch((error: unknown) => {
        console.error(error)
        response.destroy()
      })
      .finally(() => {
        const { user, system } = process.cpuUsage(before)
        cpuMs.push((user + system) / 1000)
      })
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/x.git`,
    requests,
    cpuMs,
    close: () => closed(server),
  }
}

function closed(server: Server): Promise<void> {
  server.closeAllConnections()
  return new Promise((resolve) => server.close(() => resolve()))
}

function offerOf(served: ServedRepository): FetchOffer {
  return served.offer ?? plainOffer(served.format)
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  served: ServedRepository,
  requests: FetchRequest[],
): Promise<void> {
  const version = Number(/version=([012])/.exec(String(request.headers['git-protocol'] ?? ''))?.[1] ?? 0) as 0 | 1 | 2
  if (request.method === 'GET') {
    response.setHeader('content-type', 'application/x-git-upload-pack-advertisement')
    response.end(advertiseUploadPack(served.refs, offerOf(served), version))
    return
  }
  response.setHeader('content-type', 'application/x-git-upload-pack-result')
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  const raw = Buffer.concat(parts)
  const body = request.headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw
  try {
    await answer(body, version, response, served, requests)
  } catch (error) {
    if (!(error instanceof InputError)) throw error
    response.write(errorPacket(error.message))
  }
  response.end()
}

async function answer(
  body: Buffer,
  version: 0 | 1 | 2,
  response: ServerResponse,
  served: ServedRepository,
  requests: FetchRequest[],
): Promise<void> {
  const offer = offerOf(served)
  const command =
    version === 2
      ? parseNow(parseRequestV2(body, offer, defaultRequestLimits))
      : parseNow(parseRequestV0(body, version, offer, defaultRequestLimits))
  if (command?.command === 'ls-refs') response.write(formatLsRefs(served.refs, command.request))
  if (command?.command !== 'fetch') return
  const fetch = command.request
  requests.push(fetch)
  const { repository } = served
  const write = (bytes: Uint8Array) =>
    response.write(bytes) ? undefined : new Promise<void>((resolve) => response.once('drain', () => resolve()))
  await answerFetch(
    fetchEvents(repository, fetchTask(fetch, served.refs, offer)),
    { write },
    {
      request: fetch,
      format: served.format,
      region: ({ pack, offset, sizeBytes }) => {
        const stored = repository.set.packs[pack]
        if (!stored) throw new Error('no such pack')
        return stored.stream(offset, sizeBytes)
      },
    },
  )
}
