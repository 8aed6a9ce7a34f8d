// Accounts that `npm adduser` makes, where the operator lets anybody have one (`npm.signUp`).
import { type AccountId, insertAccount } from '../../access/index.ts'
import { InputError } from '../../base/index.ts'
import { sql } from '../../db/index.ts'
import { addressKey, TokenBuckets, tooMany } from '../../http/index.ts'
import { assertPassword, type KnownAccount } from '../../sign-in/index.ts'
import type { AccountParts } from './parts.ts'

/** From one address. */
const mostAMinute = 5

/** Lives as long as the server. */
export class SignUps {
  readonly #parts: AccountParts
  readonly #byAddress: TokenBuckets

  constructor(parts: AccountParts) {
    this.#parts = parts
    this.#byAddress = new TokenBuckets(mostAMinute, () => parts.clock.monotonic())
  }

  /** Null: nobody signs up here, or somebody has that login. InputError `weak-password`, `bad-login`, `reserved-login`; Refusal 429. */
  async tryMake(
    { login, password, email }: { readonly login: string; readonly password: string; readonly email: string | null },
    { ip, requestId }: { readonly ip: string; readonly requestId: string },
  ): Promise<KnownAccount | null> {
    const { db, settings, signIn } = this.#parts
    if (!settings.signUp || email === null || (await this.#isTaken(login))) return null
    const { isAllowed, waitMs } = this.#byAddress.take(addressKey(ip))
    if (!isAllowed) throw tooMany('Too many accounts were made from this address', waitMs)
    if (!/^[^\s@\p{Cc}]{1,64}@[^\s@\p{Cc}]{1,189}$/u.test(email)) throw new InputError('bad-email', 'The email address is none')
    assertPassword(password, login)
    const hash = await signIn.passwords.hash(password)
    const actor = { accountId: null, name: 'npm adduser', ip, requestId }
    return db.transaction(async (tx) => {
      const account = await insertAccount(tx, 'user', { login, actor })
      // nobody has shown that it is his
      const own = { password_hash: hash, email, email_is_verified: false }
      await tx.updateTable('account').set(own).where('id', '=', account.id).execute()
      return { id: account.id, login: account.login, isSuspended: false }
    })
  }

  async #isTaken(login: string): Promise<boolean> {
    const named = this.#parts.db.queries
      .selectFrom('account')
      .select('id')
      .where(sql<boolean>`lower(login) = ${login.replaceAll('\0', ' ').toLowerCase()}`)
    return ((await named.executeTakeFirst())?.id as AccountId | undefined) !== undefined
  }
}
