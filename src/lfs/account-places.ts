// Uploads of one account at one time: the store has places for some large ones, and whoever sends slowly holds one for long. So that one account, or a
// token of it that somebody else has, can't hold all of them.
import type { AccountId } from '../access/index.ts'
import { Places } from '../base/index.ts'

/** git-lfs sends eight at a time; the store takes sixteen. */
const mostUploads = 8

export class AccountPlaces {
  readonly #accounts = new Map<AccountId, { readonly places: Places; users: number }>()

  /** Runs the upload when the account has a place for it. */
  async with<T>(accountId: AccountId, upload: () => Promise<T>): Promise<T> {
    const entry = this.#accounts.get(accountId) ?? { places: new Places(mostUploads), users: 0 }
    this.#accounts.set(accountId, entry)
    entry.users++
    const free = await entry.places.take()
    try {
      return await upload()
    } finally {
      free()
      if (--entry.users === 0) this.#accounts.delete(accountId)
    }
  }
}
