// What clients ask a registry as a whole, and upstreams answer of what comes from them: keys that signatures are checked with, attestations, advisories.
import type { Identity, UpstreamId } from '../../access/index.ts'
import { type Clock, Recent } from '../../base/index.ts'
import type { Database } from '../../db/index.ts'
import type { CachedName, Outcome } from '../../packages/index.ts'
import { namesByUpstream, type NamesHome, upstreamsOf } from './declared-names.ts'
import type { NpmClients } from './document-pulls.ts'

/** Of a registry's answer, as it came. */
export interface UpstreamKey {
  readonly keyid: string
  readonly key: string
}

const keptBytes = 16 << 20
/** Keys change hardly ever; who gives none is asked again soon. */
const keysFreshMs = 3600_000
const keysMissingMs = 60_000

interface Kept {
  readonly value: unknown
  readonly untilMs: number
}

/** Lives as long as the server. */
export class RegistryQuestions {
  readonly #db: Database
  readonly #clock: Clock
  readonly #clients: NpmClients
  readonly #kept = new Recent<Kept>(keptBytes)

  constructor({ db, clock }: { readonly db: Database; readonly clock: Clock }, clients: NpmClients) {
    this.#db = db
    this.#clock = clock
    this.#clients = clients
  }

  /** Of all upstreams that are declared for this owner, and whose packages the caller may read; those that don't answer are left out. @param owner his login; null: nobody's */
  async keys(identity: Identity, owner: string | null): Promise<readonly UpstreamKey[]> {
    if (owner === null) return []
    const all = await Promise.all(
      (await upstreamsOf(this.#db, identity, owner)).map(async ({ id, path }) =>
        keysIn(await this.#remembered(`keys ${id}`, id, path, '/-/npm/v1/keys')),
      ),
    )
    return [...new Map(all.flat().map((one) => [one.keyid, one])).values()]
  }

  /** Null: none are known. */
  async attestations({ upstreamId, name }: CachedName, version: string): Promise<unknown> {
    const path = `/-/npm/v1/attestations/${encodeURIComponent(`${name}@${version}`).replaceAll('%40', '@')}`
    return await this.#remembered(`attestations ${upstreamId} ${name}@${version}`, upstreamId, name, path)
  }

  /**
   * Advisories by name, as `advisories/bulk` of the upstreams answers; each is asked about what comes from it, and nothing else. Null: none was asked, or none answered.
   * @param versions by name
   */
  async advisories(
    identity: Identity,
    home: NamesHome,
    versions: ReadonlyMap<string, readonly string[]>,
  ): Promise<ReadonlyMap<string, readonly unknown[]> | null> {
    const asked = await namesByUpstream(this.#db, identity, home, [...versions.keys()])
    const answers = await Promise.all(
      [...asked].map(async ([id, names]) => {
        const body = Object.fromEntries(names.map((name) => [name, versions.get(name) ?? []]))
        const answer = await this.#ask(id, names[0] ?? '', '/-/npm/v1/security/advisories/bulk', body)
        return answer.kind === 'found' ? listsIn(answer.value, new Set(names)) : null
      }),
    )
    const told = answers.filter((answer) => answer !== null)
    return told.length === 0 ? null : new Map(told.flat())
  }

  async #remembered(key: string, id: UpstreamId, name: string, path: string): Promise<unknown> {
    const kept = this.#kept.get(key)
    if (kept !== undefined && kept.untilMs > this.#clock.monotonic()) return kept.value
    const answer = await this.#ask(id, name, path, null)
    // what was known last is better than nothing
    const value = answer.kind === 'found' ? answer.value : answer.kind === 'failed' ? (kept?.value ?? null) : null
    const untilMs = this.#clock.monotonic() + (answer.kind === 'found' ? keysFreshMs : keysMissingMs)
    this.#kept.set(key, { value, untilMs }, 500 + JSON.stringify(value).length)
    return value
  }

  /** @param name any that comes from there */
  async #ask(id: UpstreamId, name: string, path: string, body: unknown): Promise<Outcome<unknown>> {
    const source = await this.#clients.source(id, name)
    if (source === null) return { kind: 'missing' }
    // what fails here fails for no package
    return await this.#clients.ask({ ...source, name: path.split('/', 5).join('/') }, (client) => client.ask(path, body))
  }
}

function keysIn(answer: unknown): UpstreamKey[] {
  const { keys } = (typeof answer === 'object' && answer !== null ? answer : {}) as { readonly keys?: unknown }
  if (!Array.isArray(keys)) return []
  return keys.filter((one): one is UpstreamKey => typeof one?.keyid === 'string' && typeof one.key === 'string')
}

function listsIn(answer: unknown, names: ReadonlySet<string>): (readonly [string, readonly unknown[]])[] {
  if (typeof answer !== 'object' || answer === null) return []
  return Object.entries(answer).filter((entry): entry is [string, unknown[]] => names.has(entry[0]) && Array.isArray(entry[1]))
}
