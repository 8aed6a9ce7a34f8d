// What the room works with. What it can't know itself — documents in GitHub's shapes, commits — is handed in.
import type { AccountKind, Package, Repository } from '../access/index.ts'
import type { Clock, Log, Randomness, Sealer, Tracer } from '../base/index.ts'
import type { Database } from '../db/index.ts'
import type { Outbound } from '../http/index.ts'

export interface HookLimits {
  /** How often an event is sent to a receiver that doesn't take it. */
  readonly tries: number
  /** Between the first try and the second; four times as long each time after it, six hours at most. */
  readonly firstRetryMs: number
  /** From the first byte that is sent to the last that is read. */
  readonly timeoutMs: number
  /** So long deliveries are kept. */
  readonly keepMs: number
}

export interface HookRoom {
  readonly db: Database
  readonly log: Log
  readonly clock: Clock
  readonly randomness: Randomness
  readonly sealer: Sealer
  readonly outbound: Outbound
  readonly documents: HookDocuments
  readonly commits: FindCommits
  readonly limits: HookLimits
  /** `stemma/0.1.0` */
  readonly agent: string
  /** Told of each try's end. */
  readonly observe?: ((outcome: DeliveryOutcome, seconds: number) => void) | undefined
  readonly tracer?: Tracer | undefined
}

/** `retried`: it failed, and is tried again. */
export type DeliveryOutcome = 'delivered' | 'retried' | 'failed'

/** GitHub's documents, as somebody without an account of his own sees them: absolute URLs, no permissions. */
export interface HookDocuments {
  repository(repository: Repository): Promise<Readonly<Record<string, unknown>>>
  account(account: HookAccount): Readonly<Record<string, unknown>>
  organization(account: HookAccount): Readonly<Record<string, unknown>>
  /** @param told what the outbox says of what happened to it */
  package(one: Package, told: Readonly<Record<string, unknown>>): Promise<Readonly<Record<string, unknown>>>
}

export interface HookAccount {
  readonly id: number
  readonly login: string
  readonly kind: AccountKind
  readonly isAdmin: boolean
}

export interface CommitQuestion extends RefMove {
  /** Refs that moved with it. */
  readonly beside: readonly string[]
  /** So many commits at most, the newest; where it is 0 the head is told all the same. */
  readonly most: number
}

/** The commits of a push. */
export type FindCommits = (repository: Repository, question: CommitQuestion) => Promise<PushedCommits>

export interface RefMove {
  readonly ref: string
  readonly before: string | null
  readonly after: string | null
}

export interface PushedCommits {
  /** Oldest first. */
  readonly commits: readonly PushedCommit[]
  /** Where the ref is now; null: at no commit. */
  readonly head: PushedCommit | null
  /** Commits were let go. */
  readonly isForced: boolean
}

export interface PushedCommit {
  readonly id: string
  readonly treeId: string
  /** On no other branch. */
  readonly isDistinct: boolean
  readonly message: string
  /** `2026-11-27T10:00:00+01:00` */
  readonly timestamp: string
  readonly author: { readonly name: string; readonly email: string }
  readonly committer: { readonly name: string; readonly email: string }
  /** Paths, compared with the first parent. */
  readonly added: readonly string[]
  readonly removed: readonly string[]
  readonly modified: readonly string[]
}
