// The flights of this node: one for each file at a time, so many at once. Whoever wants one that is under way joins its flight.
import { type Log, type Randomness, SharedPlaces } from '../../../base/index.ts'
import { Flight, type FlightOptions, type FlightReading } from './flight.ts'
import type { FlightReader } from './flight-reader.ts'
import { GrowingFile } from './growing-file.ts'

export interface FlightsOptions {
  /** Where files are while they come; made when it isn't there. */
  readonly folder: string
  readonly randomness: Randomness
  readonly log: Log
  /** At once; others wait. One upstream gets a quarter of them at most: a slow one keeps nobody else waiting. */
  readonly places: number
}

export interface Departure extends Omit<FlightOptions, 'file'> {
  /** The upstream. */
  readonly of: string
  /** Stores the file: reads it as others do. Its failure is logged, and no client's. */
  readonly store: (bytes: AsyncIterable<Uint8Array>) => Promise<void>
}

/** A flight, with a reader of it. */
export interface Joined {
  readonly flight: Flight
  readonly reader: FlightReader
}

export class Flights {
  readonly #options: FlightsOptions
  readonly #places: SharedPlaces
  readonly #flying = new Map<string, { readonly flight: Promise<Flight>; readonly over: Promise<void> }>()

  constructor(options: FlightsOptions) {
    this.#options = options
    this.#places = new SharedPlaces(options.places)
  }

  /** How many files are under way. */
  get count(): number {
    return this.#flying.size
  }

  isFlying(key: string): boolean {
    return this.#flying.has(key)
  }

  /** Ends all of them; resolves when they have ended. */
  async close(): Promise<void> {
    const flying = [...this.#flying.values()]
    for (const { flight } of flying) void flight.then((one) => one.abort()).catch(() => {})
    await Promise.all(flying.map(({ over }) => over))
  }

  /** @param key names upstream, package and digest: what is fetched by one name is no proof that it is there by another */
  async join(key: string, reading: FlightReading, departure: () => Departure): Promise<Joined> {
    for (;;) {
      const known = this.#flying.get(key)
      const { flight: coming, over } = known ?? this.#depart(key, departure())
      const flight = await coming
      const reader = flight.isLeft ? null : flight.read(reading)
      if (reader !== null) return { flight, reader }
      await over
    }
  }

  #depart(key: string, departure: Departure): { readonly flight: Promise<Flight>; readonly over: Promise<void> } {
    const ready = Promise.withResolvers<Flight>()
    const over = this.#fly(departure, ready.resolve).then(
      () => void this.#flying.delete(key),
      (error: unknown) => {
        this.#flying.delete(key)
        ready.reject(error)
      },
    )
    const entry = { flight: ready.promise, over }
    this.#flying.set(key, entry)
    return entry
  }

  /** Throws only before there is a flight. */
  async #fly({ of, store, ...options }: Departure, ready: (flight: Flight) => void): Promise<void> {
    const free = await this.#places.take(of)
    try {
      const file = await GrowingFile.open(this.#options.folder, `upstream-${this.#options.randomness.uuid()}`)
      try {
        const flight = new Flight({ ...options, file })
        const bytes = flight.read({ from: 0, to: null, isClient: false }) as FlightReader
        ready(flight)
        const [fetched, kept] = await Promise.allSettled([flight.run(), stored(store, bytes)])
        this.#tell(options.digest, fetched, kept)
      } finally {
        await file.letGo()
      }
    } finally {
      free()
    }
  }

  #tell(digest: string, fetched: PromiseSettledResult<unknown>, stored: PromiseSettledResult<void>): void {
    const { log } = this.#options
    if (fetched.status === 'rejected')
      log.error({ err: fetched.reason, digest }, 'a fetch from an upstream ended by a fault of this server')
    else if (fetched.value !== null) log.warn({ digest, failure: fetched.value }, 'a file could not be had from its upstream')
    else if (stored.status === 'rejected')
      log.error({ err: stored.reason, digest }, 'a file came from its upstream and could not be stored')
  }
}

async function stored(store: Departure['store'], bytes: FlightReader): Promise<void> {
  try {
    await store(bytes)
  } finally {
    await bytes.return()
  }
}
