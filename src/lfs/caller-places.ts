// Uploads of one caller at one time: the store has places for some large ones, and whoever sends slowly holds one for long. So that one account, or a
// token of it that somebody else has, can't hold all of them.
import { Places } from '../base/index.ts'

/** git-lfs sends eight at a time; the store takes sixteen. */
const mostUploads = 8

export class CallerPlaces {
  readonly #callers = new Map<string, { readonly places: Places; users: number }>()

  /** Runs the upload when the caller (`identityKey`) has a place for it. */
  async with<T>(caller: string, upload: () => Promise<T>): Promise<T> {
    const entry = this.#callers.get(caller) ?? { places: new Places(mostUploads), users: 0 }
    this.#callers.set(caller, entry)
    entry.users++
    const free = await entry.places.take()
    try {
      return await upload()
    } finally {
      free()
      if (--entry.users === 0) this.#callers.delete(caller)
    }
  }
}
