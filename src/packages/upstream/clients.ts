// Clients of the declared upstreams: made anew when an upstream was changed. An upstream that doesn't answer, or is busy, is left alone for a while; where only one name
// fails (its manifest leads to where nobody answers, its answer is a 5xx), that name is: nobody who may ask for a name can take an upstream away from all others.
import type { UpstreamId } from '../../access/index.ts'
import { type Clock, CorruptError, type Log, type PaceLimits, Recent, type Sealer, UnavailableError } from '../../base/index.ts'
import type { Database } from '../../db/index.ts'
import type { Outbound } from '../../http/index.ts'
import { failed, type Failure, type Outcome, type UpstreamAddress } from './client/connection.ts'
import { addressOf } from './credentials.ts'
import { findUpstreamById, type Upstream } from './upstream-rows.ts'

const pauseS = 10
const busyPauseS = 30
const longestPauseS = 60
const longestNamePauseS = 600
/** So many names that fail one behind the other, with no answer between, are the upstream's failure. */
const mostInARow = 5
const mostPausedNames = 1000

/** What every client of an upstream is made with. */
export interface ClientParts {
  readonly outbound: Outbound
  readonly clock: Clock
  readonly agent: string
  readonly pace: PaceLimits
}

/** What of clients is one format's business. */
export interface ClientKind<C> {
  /** Of one upstream; lives as long as it is declared as it is. */
  readonly make: (parts: ClientParts, address: UpstreamAddress, upstream: Upstream) => C
  /** What a package (without its owner's name) is called there; null: the upstream is not declared for it. */
  readonly nameThere: (upstream: Upstream, name: string) => string | null
}

/** One name at its upstream. */
export interface Source<C> {
  readonly upstream: Upstream
  /** Failure: it can't be asked at all. */
  readonly client: Opened<C>
  /** What the package is called there. */
  readonly name: string
}

type Opened<C> = { readonly isOpen: true; readonly client: C } | { readonly isOpen: false; readonly failure: Failure }

interface Known<C> {
  readonly upstream: Upstream
  readonly client: Opened<C>
  pause: Pause | null
  readonly pausedNames: Recent<Pause>
  readonly failedInARow: Set<string>
}

interface Pause {
  readonly untilMs: number
  readonly failure: Failure
}

export interface UpstreamClientsParts extends ClientParts {
  readonly db: Database
  readonly sealer: Sealer
  readonly log: Log
}

/** Of one node, and one format. */
export class UpstreamClients<C> {
  readonly #kind: ClientKind<C>
  readonly #parts: UpstreamClientsParts
  readonly #known = new Map<UpstreamId, Known<C>>()

  constructor(kind: ClientKind<C>, parts: UpstreamClientsParts) {
    this.#kind = kind
    this.#parts = parts
  }

  /** Null: it isn't declared any more, or for other names. @param name of a package, without its owner's */
  async source(id: UpstreamId, name: string): Promise<Source<C> | null> {
    const upstream = await findUpstreamById(this.#parts.db.queries, id)
    const there = upstream === null ? null : this.#kind.nameThere(upstream, name)
    if (upstream === null || there === null) return null
    let known = this.#known.get(id)
    if (known?.upstream.updatedAt.getTime() !== upstream.updatedAt.getTime()) {
      known = {
        upstream,
        client: await this.#clientOf(upstream),
        pause: null,
        pausedNames: new Recent(mostPausedNames),
        failedInARow: new Set(),
      }
      this.#known.set(id, known)
    }
    return { upstream, client: known.client, name: there }
  }

  /** Not open where its credentials are sealed with another key, or for somewhere else: what is here is served without it. */
  async #clientOf(upstream: Upstream): Promise<Opened<C>> {
    const { db, sealer, log } = this.#parts
    try {
      return { isOpen: true, client: this.#kind.make(this.#parts, await addressOf(db.queries, upstream, sealer), upstream) }
    } catch (error) {
      if (!(error instanceof CorruptError || (error instanceof UnavailableError && error.code === 'other-key'))) throw error
      const facts = { err: error, upstream: upstream.place, url: upstream.url }
      log.error(facts, 'an upstream can’t be asked: its credentials don’t open; give it new ones')
      return { isOpen: false, failure: failed('unreachable', error.message) }
    }
  }

  /** What comes of a question, unless the upstream is left alone. */
  async ask<T>(source: Source<C>, question: (client: C, name: string) => Promise<Outcome<T>>): Promise<Outcome<T>> {
    const { upstream, client, name } = source
    if (!client.isOpen) return client.failure
    const pause = this.#pauseOf(source)
    if (pause !== null) return pause
    const known = this.#known.get(upstream.id)
    const outcome = await question(client.client, name)
    const isAnswer = outcome.kind !== 'failed' || (outcome.reason !== 'unreachable' && outcome.reason !== 'busy')
    if (isAnswer) known?.failedInARow.clear()
    else if (known !== undefined) this.#leaveAlone(known, name, outcome)
    if (outcome.kind !== 'failed') return outcome
    this.#parts.log.warn(
      { upstream: upstream.place, url: upstream.url, name, reason: outcome.reason },
      `an upstream failed: ${outcome.message}`,
    )
    return outcome
  }

  /** Why it is left alone now; null: it isn't. */
  #pauseOf({ upstream, name }: Source<C>): Failure | null {
    const known = this.#known.get(upstream.id)
    const now = this.#parts.clock.monotonic()
    const pause = [known?.pause, known?.pausedNames.get(name)].find((one) => one && one.untilMs > now)
    return pause ? { ...pause.failure, retryAfterS: Math.ceil((pause.untilMs - now) / 1000) } : null
  }

  #leaveAlone(known: Known<C>, name: string, failure: Failure): void {
    const now = this.#parts.clock.monotonic()
    const s = failure.retryAfterS ?? (failure.reason === 'busy' ? busyPauseS : pauseS)
    if (failure.isGeneral) {
      known.pause = { untilMs: now + Math.min(s, longestPauseS) * 1000, failure }
      return
    }
    known.pausedNames.set(name, { untilMs: now + Math.min(s, longestNamePauseS) * 1000, failure })
    known.failedInARow.add(name)
    if (known.failedInARow.size < mostInARow) return
    known.failedInARow.clear() // else one name could go on with it
    known.pause = { untilMs: now + pauseS * 1000, failure }
  }
}

/** What an upstream that isn't declared any more comes to. */
export const notDeclared: Failure = failed('refused', 'no upstream is declared for this name any more')
