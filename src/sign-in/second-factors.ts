// The second factor of an account that has one: one-time codes of an app, and recovery codes. A code is taken once, but for one run of one client, which sends the
// same code with each of its requests; whoever guesses waits, the longer the more he has guessed. docs/design/npm-access.md.
import { hash } from 'node:crypto'
import { type AccountId, type Actor, audit } from '../access/index.ts'
import { type Clock, hex, InputError, type Randomness, type Sealer } from '../base/index.ts'
import { type Database, type Queries, sql, type Tx } from '../db/index.ts'
import { isCode, keyUri, stepOf } from './format/totp.ts'

/** When it is asked for: at signing in, or at each change that is published, too. */
export type OtpMode = 'auth-only' | 'auth-and-writes'

export interface SecondFactor {
  readonly mode: OtpMode
  /** Its owner hasn't shown yet that he has it: nothing asks for it. */
  readonly isPending: boolean
}

export interface OtpParts {
  readonly db: Database
  readonly clock: Clock
  readonly randomness: Randomness
  readonly sealer: Sealer
}

type Holder = { readonly id: AccountId; readonly login: string }

const secretBytes = 20 // RFC 4226 §4: 160 bits
const recoveryCodes = 10
/** 80 bits: nobody guesses one. */
const recoveryBytes = 10
/** So many wrong ones in a row cost nothing; the next one waits this long, and each further one twice as long. */
const freeFailures = 5
const firstWaitMs = 30_000
const longestWaitMs = 3600_000

export class SecondFactors {
  readonly #parts: OtpParts

  constructor(parts: OtpParts) {
    this.#parts = parts
  }

  /** Null: the account has none. */
  async find(queries: Queries, id: AccountId): Promise<SecondFactor | null> {
    const row = await queries.selectFrom('account_otp').select(['mode', 'confirmed_at']).where('account_id', '=', id).executeTakeFirst()
    return row === undefined ? null : { mode: row.mode as OtpMode, isPending: row.confirmed_at === null }
  }

  /** A new secret, which counts when a code of it has been shown. What an app scans. InputError `otp-exists`. */
  async begin({ id, login }: Holder, mode: OtpMode, issuer: string): Promise<string> {
    const { db, randomness, sealer } = this.#parts
    const secret = randomness.bytes(secretBytes)
    const sealed = sealer.seal(Buffer.from(secret).toString('base64'), purposeOf(id))
    const { rows } = await sql<{ id: number }>`
      insert into account_otp as o (account_id, secret, mode) values (${id}, ${sealed}, ${mode})
      on conflict (account_id) do update set secret = ${sealed}, mode = ${mode}, failed_count = 0, failed_at = null, created_at = now()
      where o.confirmed_at is null returning account_id as id`.execute(db.queries)
    if (rows.length === 0) throw new InputError('otp-exists', 'Two-factor authentication is enabled already; disable it first')
    return keyUri(secret, { issuer, login })
  }

  /** It counts from now on. Recovery codes, which can't be had again. InputError `otp-none` (nothing was begun), and as `demand`. */
  async confirm(holder: Holder, code: string, actor: Actor): Promise<readonly string[]> {
    return this.#checked(holder, code, { isPending: true, run: null }, async (tx) => {
      const codes = Array.from({ length: recoveryCodes }, () => hex(this.#parts.randomness.bytes(recoveryBytes)))
      const change = { confirmed_at: sql<Date>`now()`, recovery_codes: codes.map(hashOf) }
      await tx.updateTable('account_otp').set(change).where('account_id', '=', holder.id).execute()
      const { mode } = (await this.find(tx, holder.id)) as SecondFactor
      await audit(tx, actor, { action: 'account.otp-enable', ownerId: holder.id, target: holder.login, details: { mode } })
      return codes
    })
  }

  /** InputError as `demand`. */
  async change(holder: Holder, code: string | null, mode: OtpMode, actor: Actor): Promise<void> {
    await this.#checked(holder, code, { isPending: false, run: null }, async (tx) => {
      await tx.updateTable('account_otp').set({ mode }).where('account_id', '=', holder.id).execute()
      await audit(tx, actor, { action: 'account.otp-enable', ownerId: holder.id, target: holder.login, details: { mode } })
    })
  }

  /** Takes it away; what is pending, without a code. InputError as `demand`. */
  async disable(holder: Holder, code: string | null, actor: Actor): Promise<void> {
    const found = await this.find(this.#parts.db.queries, holder.id)
    if (found === null) return
    if (found.isPending) {
      const pending = this.#parts.db.queries.deleteFrom('account_otp').where('account_id', '=', holder.id)
      await pending.where('confirmed_at', 'is', null).execute()
      return
    }
    await this.#checked(holder, code, { isPending: false, run: null }, async (tx) => {
      await tx.deleteFrom('account_otp').where('account_id', '=', holder.id).execute()
      await audit(tx, actor, { action: 'account.otp-disable', ownerId: holder.id, target: holder.login })
    })
  }

  /**
   * Returns where the account has none, or a good code was shown. InputError `otp-required`: none was shown; `otp-wrong`: a wrong one, or one that was taken;
   * `otp-locked`: too many were wrong.
   * @param run what one run of a client shows with each of its requests: it may repeat its code; null: the code is taken this once
   */
  async demand(holder: Holder, code: string | null, run: string | null = null): Promise<void> {
    const found = await this.find(this.#parts.db.queries, holder.id)
    if (found === null || found.isPending) return
    await this.#checked(holder, code, { isPending: false, run }, async () => {})
  }

  /** Under the row's lock: of two that show one code, or guess at once, one comes after the other. A failure is kept, whatever becomes of the request. */
  async #checked<T>(
    { id }: Holder,
    code: string | null,
    { isPending, run }: { readonly isPending: boolean; readonly run: string | null },
    act: (tx: Tx) => Promise<T>,
  ): Promise<T> {
    const nowMs = this.#parts.clock.now()
    const outcome = await this.#parts.db.transaction(async (tx) => {
      const row = await tx.selectFrom('account_otp').selectAll().where('account_id', '=', id).forUpdate().executeTakeFirst()
      if (row === undefined || (row.confirmed_at === null) !== isPending)
        throw new InputError('otp-none', 'Two-factor authentication is not enabled')
      if (code === null) throw new InputError('otp-required', required)
      assertMayGuess(row, nowMs)
      const taken = this.#take(id, row, code, run === null ? null : hashOf(run))
      const failed = { failed_count: row.failed_count + 1, failed_at: new Date(nowMs) }
      const none = { failed_count: 0, failed_at: null }
      await tx
        .updateTable('account_otp')
        .set(taken === null ? failed : { ...none, ...taken })
        .where('account_id', '=', id)
        .execute()
      return taken === null ? null : { result: await act(tx) }
    })
    if (outcome === null) throw new InputError('otp-wrong', wrong)
    return outcome.result
  }

  /** What changes in the row when the code is good; null: it isn't. */
  #take(
    id: AccountId,
    row: {
      readonly secret: string
      readonly last_step: number
      readonly last_run: Uint8Array | null
      readonly recovery_codes: Uint8Array[]
    },
    code: string,
    run: Buffer | null,
  ): { last_step?: number; last_run?: Buffer | null; recovery_codes?: Buffer[] } | null {
    if (!isCode(code)) {
      const given = hashOf(code.toLowerCase())
      const left = row.recovery_codes.filter((one) => !given.equals(one)).map((one) => Buffer.from(one))
      return left.length === row.recovery_codes.length ? null : { recovery_codes: left }
    }
    const secret = Buffer.from(this.#parts.sealer.open(row.secret, purposeOf(id)), 'base64')
    const step = stepOf(secret, code, this.#parts.clock.now())
    if (step === null) return null
    if (step > row.last_step) return { last_step: step, last_run: run }
    const isSameRun = step === row.last_step && run !== null && row.last_run !== null && run.equals(row.last_run)
    return isSameRun ? {} : null
  }
}

/** The operator's way, without a code. False: the account has none. */
export async function dropSecondFactor(db: Database, { id, login }: Holder, actor: Actor): Promise<boolean> {
  return db.transaction(async (tx) => {
    const gone = await tx.deleteFrom('account_otp').where('account_id', '=', id).executeTakeFirst()
    if (gone.numDeletedRows === 0n) return false
    await audit(tx, actor, { action: 'account.otp-disable', ownerId: id, target: login })
    return true
  })
}

/** npm's own words, by which clients that know no header tell what is asked for. */
const required = 'You must provide a one-time pass. Upgrade your client to npm@latest in order to use 2FA.'
const wrong = 'Invalid one-time pass: it is wrong, too old, or was used before. Wait for the next one.'

function assertMayGuess(
  { failed_count, failed_at }: { readonly failed_count: number; readonly failed_at: Date | null },
  nowMs: number,
): void {
  if (failed_count < freeFailures || failed_at === null) return
  const waitMs = Math.min(longestWaitMs, firstWaitMs * 2 ** (failed_count - freeFailures))
  const left = Math.ceil((failed_at.getTime() + waitMs - nowMs) / 1000)
  if (left > 0) throw new InputError('otp-locked', `Too many a one-time pass was wrong; try again in ${left} seconds`)
}

function purposeOf(id: AccountId): string {
  return `one-time codes of account ${id}`
}

function hashOf(text: string): Buffer {
  return hash('sha256', text, 'buffer')
}
