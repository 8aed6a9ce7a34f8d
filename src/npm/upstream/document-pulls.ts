// Documents of upstreams: here and fresh, or compared, or fetched; one question at a time for each name and form.
import type { Package } from '../../access/index.ts'
import { InputError, Places, Recent } from '../../base/index.ts'
import type { Database, Moment } from '../../db/index.ts'
import {
  type CachedName,
  cachedPackage,
  failed,
  type Failure,
  notDeclared,
  type Outcome,
  type Source,
  type UpstreamClients,
} from '../../packages/index.ts'
import type { NpmRegistry } from '../registry.ts'
import type { DocumentForm, FetchedDocument, NpmClient } from './client/npm-client.ts'
import { documentStates, type DocumentState, documentTags, dropDocuments, noteAsked, noteChecked, storeDocument } from './document-rows.ts'
import type { DocumentThreads } from './document-threads.ts'
import { packageUnknown, refusalFor } from './refusals.ts'

export type NpmClients = UpstreamClients<NpmClient>
export type NpmSource = Source<NpmClient>

/** The package is here, with a document that will do for what was asked. */
export interface Here {
  readonly package: Package
  readonly state: DocumentState
  /** Why it is what was here last, and not compared with the upstream's; null: it is. */
  readonly stale: Failure | null
}

const missingMs = 30_000
const mostMissing = 10_000
/** Documents that come at once: each may have tens of MiB. */
const mostAtOnce = 16

export class DocumentPulls {
  readonly #db: Database
  readonly #registry: Pick<NpmRegistry, 'clock' | 'log'>
  readonly #clients: NpmClients
  readonly #threads: DocumentThreads
  readonly #places = new Places(mostAtOnce)
  readonly #asking = new Map<string, Promise<Here>>()
  readonly #missing = new Recent<number>(mostMissing)

  constructor(registry: Pick<NpmRegistry, 'db' | 'clock' | 'log'>, clients: NpmClients, threads: DocumentThreads) {
    this.#db = registry.db
    this.#registry = registry
    this.#clients = clients
    this.#threads = threads
  }

  /** Refusal 404; as `refusalFor` where the upstream can't be asked and nothing is here. */
  async ensure(at: Database | Moment, name: CachedName, form: DocumentForm): Promise<Here> {
    const states = name.package === null ? [] : await documentStates(at, name.package.id)
    const known = stateFor(states, form)
    if (name.package !== null && known !== null && this.#isFresh(known)) return { package: name.package, state: known, stale: null }
    return await this.#once(name, form)
  }

  /** As it is here, however old; fetched where there is none. For tarballs, which don't change. */
  async any(at: Database | Moment, name: CachedName): Promise<Here> {
    const states = name.package === null ? [] : await documentStates(at, name.package.id)
    const known = stateFor(states, 'abbreviated')
    return name.package === null || known === null
      ? await this.#once(name, 'abbreviated')
      : { package: name.package, state: known, stale: null }
  }

  /** Compared with the upstream's in any case but that this was just done. */
  async renewed(name: CachedName): Promise<Here> {
    return await this.#once(name, 'abbreviated')
  }

  #isFresh({ checkedAtMs, freshS }: DocumentState): boolean {
    return checkedAtMs + freshS * 1000 > this.#registry.clock.now()
  }

  async #once(name: CachedName, form: DocumentForm): Promise<Here> {
    const key = `${name.upstreamId} ${name.name} ${form}`
    const running = this.#asking.get(key)
    if (running !== undefined) return await running
    const asking = this.#renew(name, form).finally(() => this.#asking.delete(key))
    this.#asking.set(key, asking)
    return await asking
  }

  async #renew(name: CachedName, form: DocumentForm): Promise<Here> {
    const source = await this.#clients.source(name.upstreamId, name.name)
    const known = name.package === null ? null : await this.#known(name.package, form)
    if (source === null) return this.#orHere(known, notDeclared)
    if (known === null && this.#isMissing(name)) throw packageUnknown()
    // ages stand in full documents alone
    const asked = form === 'full' || source.upstream.minAgeS > 0 ? 'full' : 'abbreviated'
    const free = await this.#places.take()
    try {
      const tags = known === null ? { etag: null, lastModified: null } : await documentTags(this.#db, known.package.id, asked)
      const fetched = await this.#clients.ask(source, (client, there) => client.document(there, { form: asked, ...tags }))
      return await this.#keep(name, source, known, { form, asked }, fetched)
    } finally {
      free()
    }
  }

  async #known(one: Package, form: DocumentForm): Promise<Here | null> {
    const state = stateFor(await documentStates(this.#db, one.id), form)
    return state === null ? null : { package: one, state, stale: null }
  }

  async #keep(
    name: CachedName,
    source: NpmSource,
    known: Here | null,
    { form, asked }: { readonly form: DocumentForm; readonly asked: DocumentForm },
    fetched: Outcome<FetchedDocument | 'same'>,
  ): Promise<Here> {
    if (fetched.kind === 'failed') return await this.#orHere(known, fetched)
    if (fetched.kind === 'missing') {
      this.#missing.set(missingKey(name), this.#registry.clock.monotonic() + missingMs)
      if (name.package !== null) await dropDocuments(this.#db, name.package.id)
      throw packageUnknown()
    }
    if (fetched.value === 'same') {
      if (known === null) return await this.#orHere(null, failed('wrong', 'it says that nothing has changed, of what isn’t here'))
      await noteChecked(this.#db, known.package.id, asked)
      return known
    }
    const taken = await this.#threads.take({ name: source.name, ...fetched.value }).catch((error: unknown) => {
      if (!(error instanceof InputError)) throw error
      this.#registry.log.warn({ upstream: source.upstream.place, name: source.name }, `an upstream's document is refused: ${error.message}`)
      return failed('wrong', error.message)
    })
    if ('kind' in taken) return await this.#orHere(known, taken)
    const one = await cachedPackage(this.#db, name)
    if (one === null) throw packageUnknown()
    await storeDocument(this.#db, one.id, { form: asked, isForAges: source.upstream.minAgeS > 0 }, fetched.value, taken)
    const here = await this.#known(one, form)
    if (here === null) throw packageUnknown() // removed meanwhile, or another form than may be shown
    return here
  }

  async #orHere(known: Here | null, failure: Failure): Promise<Here> {
    if (known === null) throw refusalFor(failure)
    await noteAsked(this.#db, known.package.id)
    return { ...known, stale: failure }
  }

  #isMissing(name: CachedName): boolean {
    return (this.#missing.get(missingKey(name)) ?? 0) > this.#registry.clock.monotonic()
  }
}

function missingKey({ upstreamId, name }: CachedName): string {
  return `${upstreamId} ${name}`
}

/** The one to make an answer of; null: none is here that may be. */
function stateFor(states: readonly DocumentState[], form: DocumentForm): DocumentState | null {
  return states.find((one) => one.form === form && (one.minAgeS === 0 || one.hasTime)) ?? null
}
