// Clients of the declared upstreams: made anew when an upstream was changed. An upstream that doesn't answer, or is busy, is left alone for a while; where only one name
// fails (its manifest leads to where nobody answers, its answer is a 5xx), that name is: nobody who may ask for a name can take an upstream away from all others.
import type { UpstreamId } from '../../access/index.ts'
import { type Clock, CorruptError, type Log, Recent, type Sealer, UnavailableError } from '../../base/index.ts'
import type { Database } from '../../db/index.ts'
import { failed, type Failure, type Outcome } from './client/connection.ts'
import { type ClientParts, RegistryClient } from './client/registry-client.ts'
import { behind } from './format/declared.ts'
import { addressOf, findUpstreamById, type Upstream } from './upstreams.ts'

const pauseS = 10
const busyPauseS = 30
const longestPauseS = 60
const longestNamePauseS = 600
/** So many names that fail one behind the other, with no answer between, are the upstream's failure. */
const mostInARow = 5
const mostPausedNames = 1000

/** One name at its upstream. */
export interface Source {
  readonly upstream: Upstream
  /** Failure: it can't be asked at all. */
  readonly client: RegistryClient | Failure
  /** What the image is called there. */
  readonly name: string
}

interface Known {
  readonly upstream: Upstream
  readonly client: RegistryClient | Failure
  pause: Pause | null
  readonly pausedNames: Recent<Pause>
  readonly failedInARow: Set<string>
}

interface Pause {
  readonly untilMs: number
  readonly failure: Failure
}

/** Of one node. */
export class UpstreamClients {
  readonly #db: Database
  readonly #sealer: Sealer
  readonly #log: Log
  readonly #clock: Clock
  readonly #parts: ClientParts
  readonly #known = new Map<UpstreamId, Known>()

  constructor({ db, sealer, log, ...parts }: ClientParts & { readonly db: Database; readonly sealer: Sealer; readonly log: Log }) {
    this.#db = db
    this.#sealer = sealer
    this.#log = log
    this.#clock = parts.clock
    this.#parts = parts
  }

  /** Null: it isn't declared any more, or for other names. @param image without its owner's name */
  async source(id: UpstreamId, image: string): Promise<Source | null> {
    const upstream = await findUpstreamById(this.#db.queries, id)
    const rest = upstream === null ? null : behind(upstream.path, image)
    if (upstream === null || rest === null) return null
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
    const path = new URL(upstream.url).pathname.slice(1)
    return { upstream, client: known.client, name: path === '' ? rest : `${path}/${rest}` }
  }

  /** Failure where its credentials are sealed with another key, or for somewhere else: what is here is served without it. */
  async #clientOf(upstream: Upstream): Promise<RegistryClient | Failure> {
    try {
      return new RegistryClient(this.#parts, await addressOf(this.#db.queries, upstream, this.#sealer))
    } catch (error) {
      if (!(error instanceof CorruptError || (error instanceof UnavailableError && error.code === 'other-key'))) throw error
      const facts = { err: error, upstream: upstream.place, url: upstream.url }
      this.#log.error(facts, 'an upstream can’t be asked: its credentials don’t open; give it new ones')
      return failed('unreachable', error.message)
    }
  }

  /** What comes of a question, unless the upstream is left alone. */
  async ask<T>(
    { upstream, client, name }: Source,
    question: (client: RegistryClient, name: string) => Promise<Outcome<T>>,
  ): Promise<Outcome<T>> {
    if (!(client instanceof RegistryClient)) return client
    const known = this.#known.get(upstream.id)
    const now = this.#clock.monotonic()
    const pause = [known?.pause, known?.pausedNames.get(name)].find((one) => one && one.untilMs > now)
    if (pause) return { ...pause.failure, retryAfterS: Math.ceil((pause.untilMs - now) / 1000) }
    const outcome = await question(client, name)
    const isAnswer = outcome.kind !== 'failed' || (outcome.reason !== 'unreachable' && outcome.reason !== 'busy')
    if (isAnswer) known?.failedInARow.clear()
    else if (known !== undefined) this.#leaveAlone(known, name, outcome)
    if (outcome.kind !== 'failed') return outcome
    this.#log.warn(
      { upstream: upstream.place, url: upstream.url, image: name, reason: outcome.reason },
      `an upstream failed: ${outcome.message}`,
    )
    return outcome
  }

  #leaveAlone(known: Known, name: string, failure: Failure): void {
    const now = this.#clock.monotonic()
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
