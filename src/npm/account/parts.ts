// What the handlers work with that know who somebody is.
import type { Clock, Randomness } from '../../base/index.ts'
import type { Database } from '../../db/index.ts'
import type { CiExchange, ClientLogins, SecondFactors, SignInParts } from '../../sign-in/index.ts'

export interface SignInSettings {
  /** Whoever asks for an account by `npm adduser` gets one. */
  readonly signUp: boolean
  /** How long what a client gets by signing in is good for. */
  readonly loginMs: number
}

/** What the room is given for it. */
export interface PeopleOptions {
  readonly randomness: Randomness
  readonly signIn: SignInParts
  readonly secondFactors: SecondFactors
  readonly logins: ClientLogins
  readonly settings: SignInSettings
  readonly ciExchange: CiExchange
  /** What the id-tokens of CI jobs may be for: clients ask for `npm:HOST`. */
  readonly audiences: readonly string[]
  /** A file or folder of advisories; null: there is none. */
  readonly advisories: string | null
}

export interface AccountParts extends PeopleOptions {
  readonly db: Database
  readonly clock: Clock
  readonly publicUrl: string | null
  /** Whose the unscoped names of the root registry are; null: nobody's. */
  readonly root: string | null
}

/** Of bodies that hold no package. */
export const smallBodyBytes = 65_536
