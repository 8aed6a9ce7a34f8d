// Manifests of upstreams: here and fresh, or compared, or fetched; one question at a time for each name. What came is stored as the registry stores what
// is pushed, but for what it names, which comes when it is asked for.
import type { Package } from '../../access/index.ts'
import { type Clock, InputError, Recent } from '../../base/index.ts'
import { Refusal } from '../../http/index.ts'
import { type CachedName, failed, type Failure, notDeclared, type Outcome } from '../../packages/index.ts'
import { digestText, parseDigest, type OciDigest } from '../format/digests.ts'
import { ociError } from '../format/errors.ts'
import { type Manifest, parseManifest } from '../format/manifest.ts'
import type { Reference } from '../format/target.ts'
import { cacheManifest } from '../manifest-push.ts'
import { findManifest } from '../manifest-rows.ts'
import { type Registry, rethrowFault } from '../registry.ts'
import { cachedImage, dropTag, findTagState, noteChecked } from './cached-rows.ts'
import type { FetchedManifest, ManifestFacts } from './client/registry-client.ts'
import type { RegistryClients, RegistrySource } from './registry-clients.ts'

/** The image is here, with what was asked for. */
export interface Here {
  readonly package: Package
  /** Why it is what was here last, and not compared with the upstream's; null: it is. */
  readonly stale: Failure | null
}

const missingMs = 30_000
const mostMissing = 10_000

export class ManifestPulls {
  readonly #registry: Registry
  readonly #clients: RegistryClients
  readonly #clock: Clock
  readonly #asking = new Map<string, Promise<Here>>()
  readonly #missing = new Recent<number>(mostMissing)

  constructor(registry: Registry, clients: RegistryClients) {
    this.#registry = registry
    this.#clients = clients
    this.#clock = registry.clock
  }

  /** InputError 'manifest-unknown', 'name-unknown'; what `refusalFor` says where the upstream can't be asked. */
  async ensure(name: CachedName, reference: Reference): Promise<Here> {
    const text = reference.kind === 'tag' ? reference.tag : reference.digest.text
    const key = `${name.upstreamId} ${name.name} ${text}`
    const running = this.#asking.get(key)
    if (running !== undefined) return await running
    const asking = this.#ensure(name, reference, key).finally(() => this.#asking.delete(key))
    this.#asking.set(key, asking)
    return await asking
  }

  async #ensure(name: CachedName, reference: Reference, key: string): Promise<Here> {
    const { db } = this.#registry
    if (reference.kind === 'digest') {
      const isHere = name.package !== null && (await findManifest(db, name.package.id, reference)) !== null
      if (isHere) return { package: name.package, stale: null }
      return await this.#fetch(name, await this.#sourceOf(name), reference, key)
    }
    const known = name.package === null ? null : await findTagState(db, name.package.id, reference.tag)
    if (name.package !== null && known?.isFresh === true) return { package: name.package, stale: null }
    const source = await this.#sourceOf(name)
    if (name.package === null || known === null) return await this.#fetch(name, source, reference, key)
    return await this.#compare({ ...name, package: name.package }, source, reference, known.digest, key)
  }

  async #sourceOf({ upstreamId, name }: CachedName): Promise<RegistrySource> {
    const source = await this.#clients.source(upstreamId, name)
    if (source === null) throw refusalFor(notDeclared)
    return source
  }

  /** A tag that is here: only asked for, and fetched when it has moved. */
  async #compare(
    name: CachedName & { readonly package: Package },
    source: RegistrySource,
    reference: Extract<Reference, { kind: 'tag' }>,
    digest: Uint8Array,
    key: string,
  ): Promise<Here> {
    const facts = await this.#clients.ask(source, (client, there) => client.manifestFacts(there, reference.tag))
    if (facts.kind === 'failed') return { package: name.package, stale: facts }
    const isThere = facts.kind === 'found' && facts.value.digest === digestText(digest)
    if (!isThere) {
      try {
        return await this.#follow(name, source, reference, facts, key)
      } catch (error) {
        // a rule of the owner's says that it stays
        if (!(error instanceof InputError && error.code === 'denied')) throw error
      }
    }
    await noteChecked(this.#registry.db, name.package.id, reference.tag)
    return { package: name.package, stale: null }
  }

  /** A tag that has moved there, or is gone. InputError 'denied' where it stays here all the same. */
  async #follow(
    name: CachedName & { readonly package: Package },
    source: RegistrySource,
    reference: Extract<Reference, { kind: 'tag' }>,
    facts: Exclude<Outcome<ManifestFacts>, Failure>,
    key: string,
  ): Promise<Here> {
    if (facts.kind === 'missing') {
      await dropTag(this.#registry.db, name.package.id, reference.tag).catch(rethrowFault)
      throw this.#unknown(key)
    }
    const fetched = await this.#clients.ask(source, (client, there) => client.manifest(there, reference.tag))
    if (fetched.kind === 'failed') return { package: name.package, stale: fetched }
    return await this.#keep(name, source, reference, key, fetched)
  }

  async #fetch(name: CachedName, source: RegistrySource, reference: Reference, key: string): Promise<Here> {
    if ((this.#missing.get(key) ?? 0) > this.#clock.monotonic()) throw ociError('manifest-unknown')
    const text = reference.kind === 'tag' ? reference.tag : reference.digest.text
    const fetched = await this.#clients.ask(source, (client, there) => client.manifest(there, text))
    return await this.#keep(name, source, reference, key, fetched)
  }

  async #keep(
    name: CachedName,
    source: RegistrySource,
    reference: Reference,
    key: string,
    fetched: Outcome<FetchedManifest>,
  ): Promise<Here> {
    if (fetched.kind === 'missing') throw this.#unknown(key)
    if (fetched.kind === 'failed') throw refusalFor(fetched)
    const { bytes, digest } = fetched.value
    const manifest = this.#parsed(fetched.value, source)
    const one = await cachedImage(this.#registry.db, name)
    const tags = reference.kind === 'tag' ? [reference.tag] : []
    await cacheManifest(this.#registry, one, { manifest, bytes, digest: parseDigest(digest) as OciDigest, tags, from: source.upstream.url })
    if (reference.kind === 'tag') await noteChecked(this.#registry.db, one.id, reference.tag)
    return { package: one, stale: null }
  }

  #parsed({ bytes, mediaType }: FetchedManifest, { upstream, name }: RegistrySource): Manifest {
    try {
      return parseManifest(bytes, mediaType === '' ? undefined : mediaType, this.#registry.limits.manifest)
    } catch (error) {
      if (!(error instanceof InputError)) throw error
      this.#registry.log.warn({ upstream: upstream.place, image: name }, `an upstream's manifest is refused: ${error.message}`)
      throw refusalFor(failed('wrong', error.message))
    }
  }

  #unknown(key: string): InputError {
    this.#missing.set(key, this.#clock.monotonic() + missingMs)
    return ociError('manifest-unknown')
  }
}

/** What a client is told when the upstream failed and nothing is here. Where the upstream lies is the operator's business. */
export function refusalFor({ reason, retryAfterS }: Failure): Error {
  const headers = { 'retry-after': String(retryAfterS ?? 10) }
  if (reason === 'busy') return new Refusal(429, 'too-many-requests', 'The upstream of this image takes no more requests now', { headers })
  if (reason === 'unreachable') return new Refusal(503, 'unavailable', 'The upstream of this image does not answer', { headers })
  // registries say so of what there isn't, too
  if (reason === 'refused') return ociError('manifest-unknown', 'The upstream of this name has no such image, or shows it to others')
  if (reason === 'barred') {
    const words = 'This server may not connect to where the upstream of this image is: its setting outbound.allowPrivate says where it may'
    return new Refusal(502, 'unknown', words)
  }
  return new Refusal(502, 'unknown', 'The upstream of this image answered with something else')
}
