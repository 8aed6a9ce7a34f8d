// Tarballs of upstreams: fetched by a flight, which whoever wants them reads along, held to what the package's document says of them, and kept.
import { createHash, type Hash } from 'node:crypto'
import type { PackageId } from '../../access/index.ts'
import { InputError, type Randomness } from '../../base/index.ts'
import {
  addFile,
  type CachedName,
  cachedPackage,
  type Departure,
  failed,
  findFile,
  type FlightReader,
  Flights,
  insertVersion,
  notDeclared,
  packageReference,
  type VersionId,
} from '../../packages/index.ts'
import { type NpmName, tarballName } from '../format/names.ts'
import { versionKey } from '../format/versions.ts'
import type { NpmRegistry } from '../registry.ts'
import type { NpmClients, NpmSource } from './document-pulls.ts'
import type { Dist } from './format/document.ts'
import { expectedDigest } from './format/integrity.ts'
import { tarballUrl } from './format/tarball-url.ts'
import { packageUnknown, refusalFor } from './refusals.ts'

const flightPlaces = 64
const retryMs = 500

export interface TarballPullsOptions {
  /** Where tarballs are while they come. */
  readonly folder: string
  readonly randomness: Randomness
}

/** A tarball on its way. */
export interface ComingTarball {
  /** Null: the upstream doesn't say. */
  readonly sizeBytes: number | null
  readonly bytes: FlightReader
}

export interface WantedTarball {
  readonly name: NpmName
  readonly version: string
  readonly dist: Dist
}

type Registry = Pick<NpmRegistry, 'db' | 'store' | 'uploads' | 'log' | 'limits' | 'downloads'>

export class TarballPulls {
  readonly #registry: Registry
  readonly #clients: NpmClients
  readonly #flights: Flights
  /** Of each that is under way: what it will be here; null: nothing. */
  readonly #keeping = new Map<string, Promise<VersionId | null>>()

  constructor(registry: Registry, clients: NpmClients, { folder, randomness }: TarballPullsOptions) {
    this.#registry = registry
    this.#clients = clients
    this.#flights = new Flights({ folder, randomness, log: registry.log, places: flightPlaces })
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    await this.#flights.close()
  }

  /** Null: it is here now. As `refusalFor`; Refusal 404. */
  async open(name: CachedName, wanted: WantedTarball): Promise<ComingTarball | null> {
    const source = await this.#clients.source(name.upstreamId, name.name)
    if (source === null) throw refusalFor(notDeclared)
    const url = tarballUrl(wanted.dist.url, source.upstream.url)
    const digest = expectedDigest(wanted.dist)
    const what = `${source.name}@${wanted.version}`
    if (url === null || digest === null) {
      const words = url === null ? 'lies where nothing is fetched from' : 'has neither integrity nor shasum'
      this.#registry.log.warn({ upstream: source.upstream.place, name: source.name }, `the tarball of ${what} ${words}`)
      throw refusalFor(failed('wrong', words))
    }
    const key = `${name.upstreamId} ${what} ${digest}`
    // it may have come since it was looked for
    const isHere = async (id: PackageId) => (await findFile(this.#registry.db, id, tarballName(wanted.name, wanted.version))) !== null
    if (name.package !== null && !this.#flights.isFlying(key) && (await isHere(name.package.id))) return null
    const reading = { from: 0, to: null, isClient: true }
    const { flight, reader } = await this.#flights.join(key, reading, () => this.#departure(name, source, wanted, { key, url, digest }))
    const begun = await flight.begun
    if (begun.kind === 'found') {
      void this.#keeping.get(key)?.then((version) => void (version !== null && this.#registry.downloads.count(version)))
      return { sizeBytes: begun.value, bytes: reader }
    }
    await reader.return()
    if (begun.kind === 'missing') throw packageUnknown()
    throw refusalFor(begun)
  }

  #departure(
    name: CachedName,
    source: NpmSource,
    wanted: WantedTarball,
    { key, url, digest }: Readonly<Record<'key' | 'url' | 'digest', string>>,
  ): Departure {
    return {
      of: String(name.upstreamId),
      digest,
      sizeBytes: null,
      limitBytes: this.#registry.limits.tarballBytes,
      retryMs,
      open: (from, signal) => this.#clients.ask(source, (client) => client.openTarball(url, from, signal)),
      store: async (bytes) => {
        const storing = this.#store(name, source, wanted, bytes)
        const keeping = storing.catch(() => null).finally(() => this.#keeping.delete(key))
        this.#keeping.set(key, keeping)
        await storing
      },
    }
  }

  /** Null: another node has stored it meanwhile. */
  async #store(
    name: CachedName,
    source: NpmSource,
    { name: npmName, version }: WantedTarball,
    bytes: AsyncIterable<Uint8Array>,
  ): Promise<VersionId | null> {
    const { db, store, uploads, limits } = this.#registry
    const pieces = bytes[Symbol.asyncIterator]()
    const first = await pieces.next() // nothing is made for what isn't there
    const one = await cachedPackage(db, name)
    if (one === null) return null
    const hashes = { sha1: createHash('sha1'), sha512: createHash('sha512') }
    const actor = { accountId: null, name: source.upstream.url }
    let stored: VersionId | null = null
    try {
      await uploads.receive(hashed(first, pieces, hashes), {
        limitBytes: limits.tarballBytes,
        reference: packageReference(one),
        visible: async (tx, content) => {
          stored = await insertVersion(tx, one, { version, key: versionKey(version) }, actor)
          const file = { name: tarballName(npmName, version), content: content.digest, sizeBytes: content.sizeBytes }
          const sums = { sha1: hashes.sha1.copy().digest(), sha512: hashes.sha512.copy().digest() } // the transaction may be tried again
          await addFile(tx, store, one, stored, { ...file, ...sums }, { isLimited: true })
        },
      })
      return stored
    } catch (error) {
      if (error instanceof InputError && error.code === 'version-exists') return null
      throw error
    }
  }
}

async function* hashed(
  first: IteratorResult<Uint8Array, unknown>,
  pieces: AsyncIterator<Uint8Array, unknown>,
  { sha1, sha512 }: { readonly sha1: Hash; readonly sha512: Hash },
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for (let next = first; next.done !== true; next = await pieces.next()) {
      sha1.update(next.value)
      sha512.update(next.value)
      yield next.value
    }
  } finally {
    await pieces.return?.()
  }
}
