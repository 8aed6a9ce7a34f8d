// Lists of upstreams: tags and referrers, as they are there, kept in memory while an upstream's tags are fresh.
import { type Clock, Recent } from '../../base/index.ts'
import { type CachedName, failed, notDeclared, type Outcome } from '../../packages/index.ts'
import type { OciDigest } from '../format/digests.ts'
import { referrersTag } from '../format/names.ts'
import type { Registry } from '../registry.ts'
import type { RegistryClients, RegistrySource } from './registry-clients.ts'

/** Of all lists together, as JSON, with what each costs whatever is in it. */
const keptBytes = 32 << 20
const eachBytes = 512

interface Kept {
  readonly untilMs: number
  readonly outcome: Outcome<readonly unknown[]>
}

export class ListPulls {
  readonly #clients: RegistryClients
  readonly #clock: Clock
  readonly #kept = new Recent<Kept>(keptBytes)
  readonly #asking = new Map<string, Promise<Outcome<readonly unknown[]>>>()

  constructor({ clock }: Registry, clients: RegistryClients) {
    this.#clients = clients
    this.#clock = clock
  }

  /** All of them, sorted. */
  async tags(name: CachedName): Promise<Outcome<readonly string[]>> {
    const list = await this.#once(`${name.upstreamId} ${name.name}`, name, (source) =>
      this.#clients.ask(source, (client, there) => client.tags(there)),
    )
    return list as Outcome<readonly string[]>
  }

  /** Descriptors, as they are there: objects, and nothing else is known of them. */
  async referrers(name: CachedName, digest: OciDigest): Promise<Outcome<readonly object[]>> {
    const list = await this.#once(`${name.upstreamId} ${name.name} ${digest.text}`, name, (source) => this.#referrers(source, digest))
    return list as Outcome<readonly object[]>
  }

  async #once(
    key: string,
    { upstreamId, name }: CachedName,
    ask: (source: RegistrySource) => Promise<Outcome<readonly unknown[]>>,
  ): Promise<Outcome<readonly unknown[]>> {
    const kept = this.#kept.get(key)
    if (kept !== undefined && kept.untilMs > this.#clock.monotonic()) return kept.outcome
    const running = this.#asking.get(key)
    if (running !== undefined) return await running
    const asking = (async () => {
      const source = await this.#clients.source(upstreamId, name)
      if (source === null) return notDeclared
      const outcome = await ask(source)
      const untilMs = this.#clock.monotonic() + source.upstream.freshS * 1000
      if (outcome.kind === 'found') this.#kept.set(key, { untilMs, outcome }, eachBytes + JSON.stringify(outcome.value).length)
      return outcome
    })().finally(() => this.#asking.delete(key))
    this.#asking.set(key, asking)
    return await asking
  }

  /** A registry without a list of referrers has, where clients made it, an index of them under a tag. */
  async #referrers(source: RegistrySource, digest: OciDigest): Promise<Outcome<readonly object[]>> {
    const listed = await this.#clients.ask(source, (client, there) => client.referrers(there, digest.text))
    if (listed.kind === 'failed') return listed
    if (listed.kind === 'found') return descriptorsIn(listed.value)
    const tagged = await this.#clients.ask(source, (client, there) => client.manifest(there, referrersTag(digest)))
    if (tagged.kind === 'missing') return { kind: 'found', value: [] }
    return tagged.kind === 'found' ? descriptorsIn(tagged.value.bytes) : tagged
  }
}

function descriptorsIn(bytes: Uint8Array): Outcome<readonly object[]> {
  try {
    const { manifests = [] } = JSON.parse(Buffer.from(bytes).toString('utf8')) as { manifests?: unknown }
    if (Array.isArray(manifests)) return { kind: 'found', value: manifests.filter((one) => typeof one === 'object' && one !== null) }
  } catch {
    // told below
  }
  return failed('wrong', 'its list of referrers is none')
}
