// The background work of webhooks: one node at a time looks into the outbox and calls receivers, many at once, few of one host.
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from '../db/index.ts'
import { hasOutboxRows, type Job } from '../jobs/index.ts'
import { attempt } from './attempt.ts'
import { dueDeliveries, isAnyDue, trimDeliveries } from './deliveries.ts'
import { consumer, dispatch } from './dispatch.ts'
import type { HookRoom } from './hook-room.ts'

const atOnce = 64
const perHost = 4
/** While receivers are waited for, it is looked so often whether there is more to do. */
const lookMs = 200

export function webhookJob(room: HookRoom): Job {
  return {
    kind: 'webhooks',
    intervalMs: 1000,
    leaseMs: 15_000, // when a node dies, another goes on soon
    work: () => sql<boolean>`(${hasOutboxRows(consumer)} or ${isAnyDue})`,
    run: (signal) => new WebhookRun(room, signal).run(),
  }
}

/** Takes old deliveries away. */
export function webhookTrimmer({ db, limits }: Pick<HookRoom, 'db' | 'limits'>): Job {
  return {
    kind: 'trim-webhooks',
    intervalMs: 600_000,
    run: async (signal) => {
      await trimDeliveries(db.queries, limits.keepMs, signal)
    },
  }
}

/** Until there is nothing left to do now. */
class WebhookRun {
  readonly #room: HookRoom
  readonly #signal: AbortSignal
  readonly #running = new Map<number, string>()
  readonly #tries = new Set<Promise<void>>()
  #failure: { readonly error: unknown } | null = null

  constructor(room: HookRoom, signal: AbortSignal) {
    this.#room = room
    this.#signal = signal
  }

  async run(): Promise<void> {
    try {
      for (;;) {
        this.#signal.throwIfAborted()
        if (this.#failure !== null) throw this.#failure.error
        const told = await dispatch(this.#room, this.#signal)
        const started = await this.#start()
        if (told + started > 0) continue
        if (this.#tries.size === 0) return
        await Promise.race([...this.#tries, sleep(lookMs)])
      }
    } finally {
      // the signal ends those, too: what was not noted is made again
      await Promise.all(this.#tries)
    }
  }

  async #start(): Promise<number> {
    const most = atOnce - this.#running.size
    if (most === 0) return 0
    const free = new Map<string, number>()
    for (const host of this.#running.values()) free.set(host, (free.get(host) ?? perHost) - 1)
    const due = await dueDeliveries(this.#room.db.queries, { running: [...this.#running.keys()], free, perHost, most })
    for (const { id, host } of due) {
      this.#running.set(id, host)
      const made: Promise<void> = this.#try(id).finally(() => this.#tries.delete(made))
      this.#tries.add(made)
    }
    return due.length
  }

  async #try(id: number): Promise<void> {
    try {
      await attempt(this.#room, id, this.#signal)
    } catch (error) {
      this.#failure ??= { error }
    } finally {
      this.#running.delete(id)
    }
  }
}
