// A client without a browser (npm) that is let in by somebody who has one: it is given two addresses, shows its user the one, and asks at the other until he has
// said yes or no. As the device flow (RFC 8628), but for the code: the address holds it. docs/design/npm-access.md.
import { hash } from 'node:crypto'
import type { AccountId } from '../access/index.ts'
import { type Clock, hex, InputError, type Randomness } from '../base/index.ts'
import type { Database } from '../db/index.ts'

const lifetimeMs = 300_000
/** So many may wait that came from one address. */
const mostWaiting = 20

export interface BegunLogin {
  /** What the page's address holds. */
  readonly page: string
  /** What the client asks with. */
  readonly poll: string
}

/** One that waits, as its page shows it. */
export interface WaitingLogin {
  readonly client: string
  readonly ip: string
  readonly userAgent: string | null
  readonly createdAt: Date
}

/** `waiting`: ask again; `refused`: never; an account: that one lets it in, now and never again. */
export type LoginOutcome = 'waiting' | 'refused' | { readonly id: AccountId; readonly login: string; readonly isSuspended: boolean }

/** Lives as long as the server. */
export class ClientLogins {
  readonly #parts: { readonly db: Database; readonly clock: Clock; readonly randomness: Randomness }

  constructor(parts: { readonly db: Database; readonly clock: Clock; readonly randomness: Randomness }) {
    this.#parts = parts
  }

  /** InputError `too-many-logins`. */
  async begin(wanted: { readonly client: string; readonly ip: string; readonly userAgent: string | null }): Promise<BegunLogin> {
    const { db, clock, randomness } = this.#parts
    const { client, ip, userAgent } = wanted
    const now = clock.now()
    const waiting = db.queries.selectFrom('client_login').select('page_hash').where('ip', '=', ip).where('expires_at', '>', new Date(now))
    if ((await waiting.limit(mostWaiting).execute()).length === mostWaiting)
      throw new InputError('too-many-logins', 'Too many sign-ins that were begun from this address wait to be finished')
    const [page, poll] = [hex(randomness.bytes(20)), hex(randomness.bytes(20))]
    await db.queries
      .insertInto('client_login')
      .values({
        page_hash: hashOf(page),
        poll_hash: hashOf(poll),
        client,
        ip,
        user_agent: userAgent?.slice(0, 200) ?? null,
        expires_at: new Date(now + lifetimeMs),
      })
      .execute()
    return { page, poll }
  }

  /**
   * For the page: what waits there, for the first browser that opens it, and for no other. Null: nothing does, not any more, or not for that browser.
   * @param browser what its cookie holds, or will hold
   */
  async open(page: string, browser: string): Promise<WaitingLogin | null> {
    const { db, clock } = this.#parts
    const opened = db.queries
      .updateTable('client_login')
      .set((set) => ({ browser_hash: set.fn.coalesce('browser_hash', set.val(hashOf(browser))) }))
      .where('page_hash', '=', hashOf(page))
      .where('expires_at', '>', new Date(clock.now()))
      .where('account_id', 'is', null)
      .where('is_refused', '=', false)
    const row = await opened.returning(['client', 'ip', 'user_agent', 'created_at', 'browser_hash']).executeTakeFirst()
    if (row === undefined || !hashOf(browser).equals(row.browser_hash ?? hashOf(''))) return null
    return { client: row.client, ip: row.ip, userAgent: row.user_agent, createdAt: row.created_at }
  }

  /** What the user says, in the browser that opened the page; once. @param accountId null: no. False: nothing waits there for that browser. */
  async answer(page: string, browser: string, accountId: AccountId | null): Promise<boolean> {
    const { db, clock } = this.#parts
    const answered = await db.queries
      .updateTable('client_login')
      .set(accountId === null ? { is_refused: true } : { account_id: accountId })
      .where('page_hash', '=', hashOf(page))
      .where('browser_hash', '=', hashOf(browser))
      .where('expires_at', '>', new Date(clock.now()))
      .where('account_id', 'is', null)
      .where('is_refused', '=', false)
      .executeTakeFirst()
    return answered.numUpdatedRows === 1n
  }

  /** What the client learns. Yes and no are told once. InputError `no-login`: there is none, it is too old, or it was told. */
  async poll(poll: string, client: string): Promise<LoginOutcome> {
    const { db, clock } = this.#parts
    const told = await db.queries
      .deleteFrom('client_login')
      .where('poll_hash', '=', hashOf(poll))
      .where('client', '=', client)
      .where('expires_at', '>', new Date(clock.now()))
      .where((where) => where.or([where('account_id', 'is not', null), where('is_refused', '=', true)]))
      .returning(['account_id'])
      .executeTakeFirst()
    if (told === undefined) return (await this.#isWaiting(poll, client)) ? 'waiting' : expired()
    if (told.account_id === null) return 'refused'
    const account = db.queries.selectFrom('account').select(['id', 'login', 'suspended_at']).where('id', '=', told.account_id)
    const row = await account.executeTakeFirst()
    return row === undefined ? expired() : { id: row.id as AccountId, login: row.login, isSuspended: row.suspended_at !== null }
  }

  async #isWaiting(poll: string, client: string): Promise<boolean> {
    const { db, clock } = this.#parts
    const row = db.queries.selectFrom('client_login').select('page_hash').where('poll_hash', '=', hashOf(poll)).where('client', '=', client)
    return (await row.where('expires_at', '>', new Date(clock.now())).executeTakeFirst()) !== undefined
  }
}

function expired(): never {
  throw new InputError('no-login', 'This sign-in is too old, or was finished; begin again')
}

function hashOf(text: string): Buffer {
  return hash('sha256', text, 'buffer')
}
