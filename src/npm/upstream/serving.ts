// Where upstreams join the registry: what is asked for of a package that is, or would be, an upstream's. A tarball that is here is the registry's to give.
import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { momentOf, type PackageId } from '../../access/index.ts'
import type { Randomness, Sealer } from '../../base/index.ts'
import { Moment } from '../../db/index.ts'
import { notFound, type Outbound, Refusal } from '../../http/index.ts'
import { type CachedName, type ClientParts, type Failure, findFile, UpstreamClients } from '../../packages/index.ts'
import { versionIn } from '../format/names.ts'
import type { NpmTarget } from '../format/path.ts'
import { parseVersion } from '../format/versions.ts'
import type { NpmRegistry } from '../registry.ts'
import { npmClients } from './client/npm-client.ts'
import { DocumentPulls, type Here, type NpmClients } from './document-pulls.ts'
import { documentStates } from './document-rows.ts'
import { DocumentThreads } from './document-threads.ts'
import type { Dist } from './format/document.ts'
import { RegistryQuestions } from './registry-questions.ts'
import { RenderedDocuments, type SentDocument, type WantedRendering } from './rendered-documents.ts'
import { TarballPulls } from './tarball-pulls.ts'

export interface NpmUpstreamOptions extends Pick<ClientParts, 'agent' | 'pace'> {
  readonly outbound: Outbound
  readonly sealer: Sealer
  readonly randomness: Randomness
  /** Where tarballs are while they come. */
  readonly folder: string
}

/** RFC 9111 had it; npm shows it to its users. */
const staleWarning = '110 - "Response is Stale"'

/** Lives as long as the server. */
export class NpmUpstreams {
  readonly clients: NpmClients
  readonly documents: DocumentPulls
  readonly rendered: RenderedDocuments
  readonly tarballs: TarballPulls
  readonly questions: RegistryQuestions
  readonly #registry: Pick<NpmRegistry, 'db'>
  readonly #threads: DocumentThreads

  constructor(
    registry: Pick<NpmRegistry, 'db' | 'clock' | 'log' | 'store' | 'uploads' | 'limits' | 'downloads'>,
    options: NpmUpstreamOptions,
  ) {
    const { db, log, clock } = registry
    this.#registry = registry
    this.#threads = new DocumentThreads(log)
    this.clients = new UpstreamClients(npmClients, { db, log, clock, ...options })
    this.documents = new DocumentPulls(registry, this.clients, this.#threads)
    this.rendered = new RenderedDocuments(db, clock, this.#threads)
    this.tarballs = new TarballPulls(registry, this.clients, options)
    this.questions = new RegistryQuestions(registry, this.clients)
  }

  async close(): Promise<void> {
    await this.tarballs.close()
    await this.#threads.close()
  }

  /** Null: no such version. `request.package` is the package afterwards. Refusal as documents' pulls say. */
  async document(
    request: FastifyRequest,
    reply: FastifyReply,
    name: CachedName,
    { name: npmName }: NpmTarget,
    wanted: WantedRendering,
  ): Promise<SentDocument | null> {
    const here = await this.documents.ensure(momentOf(request), name, wanted.of === 'abbreviated' ? 'abbreviated' : 'full')
    this.#isHere(request, here)
    tellStale(reply, here.stale)
    return await this.rendered.find(here, npmName, wanted)
  }

  /** Version by tag, as JSON. Refusal as documents' pulls say. */
  async tags(request: FastifyRequest, name: CachedName, npmName: NpmTarget['name']): Promise<string> {
    const here = await this.documents.ensure(momentOf(request), name, 'abbreviated')
    const made = await this.rendered.find(here, npmName, { of: 'tags', coding: 'identity', base: '' })
    if (made === null) throw notFound()
    return Buffer.from(made.bytes).toString('utf8')
  }

  /** False: it is here, and the registry gives it; `request.package` is its package. Else it is given while it comes. */
  async tarball(
    request: FastifyRequest,
    reply: FastifyReply,
    name: CachedName,
    { name: npmName, file }: Extract<NpmTarget, { kind: 'tarball' }>,
  ): Promise<boolean> {
    const version = parseVersion(versionIn(npmName, file))
    if (version === null) throw notFound()
    const found = name.package === null ? null : await findFile(momentOf(request), name.package.id, file)
    if (found !== null && name.package !== null && !(await this.#isAged(request, name.package.id, name))) return false
    const { here, dist } = await this.#dist(request, name, npmName, version)
    if (dist === null)
      throw new Refusal(404, 'version-unknown', `The upstream of ${npmName.full} has no version ${version}, or one that is too young`)
    if (found !== null) return false
    this.#isHere(request, here)
    reply.headers({ 'content-type': 'application/octet-stream', 'x-content-type-options': 'nosniff' })
    if (request.method === 'HEAD') {
      void reply.send()
      return true
    }
    const coming = await this.tarballs.open({ ...name, package: here.package }, { name: npmName, version, dist })
    if (coming === null) {
      request.moment = new Moment(this.#registry.db)
      return false
    }
    const { sizeBytes, bytes } = coming
    if (sizeBytes !== null) reply.header('content-length', String(sizeBytes))
    reply.header('cache-control', `${here.package.visibility === 'public' ? 'public' : 'private'}, max-age=31536000, immutable`)
    reply.raw.once('close', () => void bytes.return()) // also of a client that goes while nothing comes
    if (reply.raw.destroyed) await bytes.return()
    void reply.send(Readable.from(bytes, { objectMode: false }))
    return true // not the reply: whoever waits for that waits until it is sent
  }

  /** As the document that is here says, or, where it knows of no such version, as the upstream's says now. */
  async #dist(
    request: FastifyRequest,
    name: CachedName,
    npmName: NpmTarget['name'],
    version: string,
  ): Promise<{ readonly here: Here; readonly dist: Dist | null }> {
    const here = await this.documents.any(momentOf(request), name)
    const dist = await this.rendered.dist(here, npmName, version)
    if (dist !== null) return { here, dist }
    const renewed = await this.documents.ensure(this.#registry.db, { ...name, package: here.package }, 'abbreviated')
    const isSame = renewed.state.revision === here.state.revision
    return { here: renewed, dist: isSame ? null : await this.rendered.dist(renewed, npmName, version) }
  }

  /** Whether versions of it are held back for a while: those that are here already, too, if they came before that was said. */
  async #isAged(request: FastifyRequest, packageId: PackageId, { upstreamId, name }: CachedName): Promise<boolean> {
    const [state] = await documentStates(momentOf(request), packageId)
    if (state !== undefined) return state.minAgeS > 0
    const source = await this.clients.source(upstreamId, name)
    return source !== null && source.upstream.minAgeS > 0
  }

  #isHere(request: FastifyRequest, here: Here): void {
    request.package = here.package
    request.moment = new Moment(this.#registry.db) // rows were written since the gate looked
  }
}

function tellStale(reply: FastifyReply, failure: Failure | null): void {
  if (failure !== null) reply.header('warning', staleWarning)
}
