// Blobs of upstreams: shared with another image of the same upstream that has them, or fetched by a flight, which whoever wants them reads along.
import type { Randomness } from '../../base/index.ts'
import type { ByteRange } from '../../http/index.ts'
import { type CachedName, type Departure, type FlightReader, Flights, notDeclared } from '../../packages/index.ts'
import { findSoundBlob, insertBlob } from '../blob-rows.ts'
import type { OciDigest } from '../format/digests.ts'
import { ociError } from '../format/errors.ts'
import { shareBlob } from '../protocol/mounts.ts'
import { referenceOf } from '../keeping/references.ts'
import type { Registry } from '../registry.ts'
import { cachedImage, findKnownBlob, type KnownBlob } from './cached-rows.ts'
import type { RegistryClients, RegistrySource } from './registry-clients.ts'
import { refusalFor } from './manifest-pulls.ts'

const flightPlaces = 64
const retryMs = 500

export interface BlobPullsOptions {
  /** Where blobs are while they come. */
  readonly folder: string
  readonly randomness: Randomness
}

/** A blob on its way. */
export interface ComingBlob {
  /** Null: the upstream doesn't say. */
  readonly sizeBytes: number | null
  /** What `bytes` gives, where it isn't all. */
  readonly range: ByteRange | null
  readonly bytes: FlightReader
}

export class BlobPulls {
  readonly #registry: Registry
  readonly #clients: RegistryClients
  readonly #flights: Flights

  constructor(registry: Registry, clients: RegistryClients, { folder, randomness }: BlobPullsOptions) {
    this.#registry = registry
    this.#clients = clients
    this.#flights = new Flights({ folder, randomness, log: registry.log, places: flightPlaces })
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    await this.#flights.close()
  }

  /** True when the image has the blob now: the registry gives it. One whose bytes are known to be lost comes again. */
  async isHere(name: CachedName, digest: OciDigest): Promise<boolean> {
    const { package: one } = name
    return one !== null && (await findSoundBlob(this.#registry.db, one.id, digest)) !== null
  }

  /** How many bytes it has; null: the upstream doesn't say. InputError 'blob-unknown'; as `refusalFor`. */
  async size(name: CachedName, digest: OciDigest): Promise<number | null> {
    const known = await this.#known(name, digest)
    if (known.sizeBytes !== null) return known.sizeBytes
    const asked = await this.#clients.ask(await this.#sourceOf(name), (client, there) => client.blobSize(there, digest.text))
    if (asked.kind === 'missing') throw ociError('blob-unknown')
    if (asked.kind === 'failed') throw refusalFor(asked)
    return asked.value
  }

  /** Null: the image has it now. @param rangeOf what of so many bytes is wanted; null: all. InputError 'blob-unknown'; as `refusalFor` */
  async open(name: CachedName, digest: OciDigest, rangeOf: (sizeBytes: number) => ByteRange | null): Promise<ComingBlob | null> {
    const known = await this.#known(name, digest)
    const isShared = name.package !== null && known.sizeBytes !== null && known.held?.sizeBytes === known.sizeBytes
    if (isShared && known.held !== null && (await shareBlob(this.#registry, name.package, digest, known.held))) return null
    const source = await this.#sourceOf(name)
    const range = known.sizeBytes === null ? null : rangeOf(known.sizeBytes)
    const key = `${name.upstreamId} ${name.name} ${digest.text}`
    const reading = { from: range?.from ?? 0, to: range?.to ?? null, isClient: true }
    const { flight, reader } = await this.#flights.join(key, reading, () => this.#departure(name, source, digest, known.sizeBytes))
    const begun = await flight.begun
    if (begun.kind === 'found') return { sizeBytes: begun.value, range, bytes: reader }
    await reader.return()
    if (begun.kind === 'missing') throw ociError('blob-unknown')
    throw refusalFor(begun)
  }

  async #known({ package: one, upstreamId }: CachedName, digest: OciDigest): Promise<KnownBlob> {
    if (one === null) return { sizeBytes: null, held: null }
    return await findKnownBlob(this.#registry.db, one.id, upstreamId, digest)
  }

  async #sourceOf({ upstreamId, name }: CachedName): Promise<RegistrySource> {
    const source = await this.#clients.source(upstreamId, name)
    if (source === null) throw refusalFor(notDeclared)
    return source
  }

  #departure(name: CachedName, source: RegistrySource, digest: OciDigest, sizeBytes: number | null): Departure {
    return {
      of: String(name.upstreamId),
      digest: digest.text,
      sizeBytes,
      limitBytes: this.#registry.limits.blobBytes,
      retryMs,
      open: (from, signal) => this.#clients.ask(source, (client, there) => client.openBlob(there, digest.text, from, signal)),
      store: (bytes) => this.#store(name, digest, bytes),
    }
  }

  async #store(name: CachedName, digest: OciDigest, bytes: AsyncIterable<Uint8Array>): Promise<void> {
    const { db, uploads, limits } = this.#registry
    const pieces = bytes[Symbol.asyncIterator]()
    const first = await pieces.next() // nothing is made for what isn't there
    const one = await cachedImage(db, name)
    await uploads.receive(joined(first, pieces), {
      expected: { algorithm: digest.algorithm, digest: digest.bytes },
      limitBytes: limits.blobBytes,
      reference: referenceOf(one),
      visible: (tx, content) =>
        insertBlob(
          tx,
          one,
          digest,
          { content: content.digest, sizeBytes: content.sizeBytes },
          { leaseMs: limits.leaseMs, isLimited: true },
        ),
    })
  }
}

async function* joined(
  first: IteratorResult<Uint8Array, unknown>,
  pieces: AsyncIterator<Uint8Array, unknown>,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for (let next = first; next.done !== true; next = await pieces.next()) yield next.value
  } finally {
    await pieces.return?.()
  }
}
