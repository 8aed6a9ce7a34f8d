// Signing in by OpenID Connect (OpenID Connect Core 1.0 §3.1, RFC 7636): where the browser is sent, and whose account comes back.
// Invariant: an account is found by (issuer, subject) and by nothing else.
import * as oidc from 'openid-client'
import { type Account, type AccountId, type Actor, audit, hashToken, insertAccount, isAllowedLogin } from '../access/index.ts'
import { InputError, UnavailableError } from '../base/index.ts'
import { type Database, sql, type Tx } from '../db/index.ts'
import { beginSession, type BegunSession, type SignInParts, type Visitor } from './sessions.ts'

export interface OidcSettings {
  readonly issuer: string
  readonly clientId: string
  readonly clientSecret: string | null
  readonly scope: string
  /** Whoever the provider lets in gets an account. */
  readonly createAccounts: boolean
}

const attemptMs = 600_000
const requestTimeoutS = 10

/** Where to send the browser, and what its cookie must hold when it comes back. */
export interface Departure {
  readonly url: URL
  readonly state: string
  readonly maxAgeSeconds: number
}

export interface Arrival {
  readonly session: BegunSession
  readonly returnTo: string
}

/** Lives as long as the server. */
export class OidcSignIn {
  readonly #parts: SignInParts
  readonly #settings: OidcSettings
  #discovered: Promise<oidc.Configuration> | null = null

  constructor(parts: SignInParts, settings: OidcSettings) {
    this.#parts = parts
    this.#settings = settings
  }

  /** @param accountId of whoever is signed in already: the identity will be his. UnavailableError where the provider doesn't answer. */
  async depart(wanted: {
    readonly redirectUri: string
    readonly returnTo: string
    readonly accountId: AccountId | null
  }): Promise<Departure> {
    const configuration = await this.#discover()
    const { db, clock } = this.#parts
    const [state, nonce, verifier] = [oidc.randomState(), oidc.randomNonce(), oidc.randomPKCECodeVerifier()]
    await db.queries
      .insertInto('oidc_login')
      .values({
        state_hash: hashToken(state),
        nonce,
        code_verifier: verifier,
        return_to: localPath(wanted.returnTo),
        account_id: wanted.accountId,
        expires_at: new Date(clock.now() + attemptMs),
      })
      .execute()
    const url = oidc.buildAuthorizationUrl(configuration, {
      redirect_uri: wanted.redirectUri,
      scope: this.#settings.scope,
      state,
      nonce,
      code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    })
    return { url, state, maxAgeSeconds: attemptMs / 1000 }
  }

  /**
   * @param url that the provider sent the browser to. InputError `oidc-state` (another browser's attempt, an old one, one that was used), `oidc-refused` (the
   * provider's or the user's no, or an answer that doesn't hold), `no-account`, `suspended`.
   */
  async arrive(url: URL, cookieState: string | null, visitor: Visitor): Promise<Arrival> {
    const state = url.searchParams.get('state')
    if (state === null || cookieState === null || state !== cookieState) throw stale()
    const attempt = await this.#take(state)
    const configuration = await this.#discover()
    const claims = await exchange(configuration, url, { state, nonce: attempt.nonce, verifier: attempt.code_verifier })
    const session = await this.#parts.db.transaction(async (tx) => {
      const account = await this.#accountOf(tx, claims, attempt.account_id as AccountId | null, visitor)
      return beginSession(tx, this.#parts, account, visitor, 'oidc')
    })
    return { session, returnTo: attempt.return_to }
  }

  async #take(state: string) {
    const { db, clock } = this.#parts
    const row = await db.queries
      .deleteFrom('oidc_login')
      .where('state_hash', '=', hashToken(state))
      .returning(['nonce', 'code_verifier', 'return_to', 'account_id', 'expires_at'])
      .executeTakeFirst()
    if (row === undefined || row.expires_at.getTime() <= clock.now()) throw stale()
    return row
  }

  async #accountOf(tx: Tx, claims: oidc.IDToken, linkTo: AccountId | null, visitor: Visitor) {
    const { iss: issuer, sub: subject } = claims
    const known = await tx
      .selectFrom('external_identity')
      .innerJoin('account', 'account.id', 'external_identity.account_id')
      .select(['account.id', 'account.login', 'account.suspended_at'])
      .where('issuer', '=', issuer)
      .where('subject', '=', subject)
      .executeTakeFirst()
    if (known !== undefined) {
      if (linkTo !== null && linkTo !== known.id) throw new InputError('oidc-refused', 'This identity belongs to another account already')
      return { id: known.id as AccountId, login: known.login, isSuspended: known.suspended_at !== null }
    }
    const account = linkTo === null ? await this.#newAccount(tx, claims, visitor) : await linked(tx, linkTo)
    await tx.insertInto('external_identity').values({ issuer, subject, account_id: account.id }).execute()
    const actor: Actor = { accountId: account.id, name: account.login, ip: visitor.ip, requestId: visitor.requestId }
    await audit(tx, actor, { action: 'identity.link', ownerId: account.id, target: account.login, details: { issuer, subject } })
    return { id: account.id, login: account.login, isSuspended: account.suspendedAt !== null }
  }

  async #newAccount(tx: Tx, claims: oidc.IDToken, visitor: Visitor): Promise<Account> {
    if (!this.#settings.createAccounts) {
      throw new InputError(
        'no-account',
        'You have no account here; ask the administrator of this server for one, sign in to it, and come back',
      )
    }
    const { email, email_verified: isVerified, name } = claims as { email?: unknown; email_verified?: unknown; name?: unknown }
    const login = await freeLogin(tx, claims)
    return insertAccount(tx, 'user', {
      login,
      displayName: typeof name === 'string' ? name.replaceAll(/\p{Cc}/gu, '').slice(0, 255) : null,
      email: typeof email === 'string' && isVerified === true && email.length <= 254 ? email : null,
      actor: { accountId: null, name: `sign-in by ${this.#settings.issuer}`, ip: visitor.ip, requestId: visitor.requestId },
    })
  }

  async #discover(): Promise<oidc.Configuration> {
    this.#discovered ??= discover(this.#settings).catch((error: unknown) => {
      this.#discovered = null // asked again by the next who comes
      throw new UnavailableError('oidc-provider', 'the OIDC provider does not answer', { cause: error })
    })
    return this.#discovered
  }
}

async function discover({ issuer, clientId, clientSecret }: OidcSettings): Promise<oidc.Configuration> {
  const authentication = clientSecret === null ? oidc.None() : undefined
  const insecure = issuer.startsWith('http://') ? [oidc.allowInsecureRequests] : []
  return oidc.discovery(new URL(issuer), clientId, clientSecret ?? undefined, authentication, {
    execute: insecure,
    timeout: requestTimeoutS,
  })
}

async function exchange(
  configuration: oidc.Configuration,
  url: URL,
  { state, nonce, verifier }: { readonly state: string; readonly nonce: string; readonly verifier: string },
): Promise<oidc.IDToken> {
  try {
    const tokens = await oidc.authorizationCodeGrant(configuration, url, {
      pkceCodeVerifier: verifier,
      expectedState: state,
      expectedNonce: nonce,
      idTokenExpected: true,
    })
    const claims = tokens.claims()
    if (claims === undefined) throw new Error('no id-token')
    return claims
  } catch (error) {
    if (error instanceof TypeError) throw new UnavailableError('oidc-provider', 'the OIDC provider does not answer', { cause: error })
    throw new InputError('oidc-refused', 'The provider did not confirm the sign-in; try again', { cause: error })
  }
}

async function linked(tx: Tx, id: AccountId): Promise<Account> {
  const row = await tx.selectFrom('account').select(['id', 'login', 'suspended_at']).where('id', '=', id).executeTakeFirst()
  if (row === undefined) throw stale()
  return { id, login: row.login, suspendedAt: row.suspended_at } as Account
}

/** A login made of what the provider tells: letters and digits of it, with a number where it is taken. */
async function freeLogin(tx: Tx, claims: oidc.IDToken): Promise<string> {
  const { preferred_username: preferred, email } = claims as { preferred_username?: unknown; email?: unknown }
  const told = typeof preferred === 'string' ? preferred : typeof email === 'string' ? email : 'user'
  const plain = (told.split('@', 1)[0] ?? '').normalize('NFKD').replaceAll(/[^A-Za-z0-9_.-]+/g, '-')
  const base =
    plain
      .slice(0, 56)
      .replaceAll(/^[^A-Za-z0-9]+|[^A-Za-z0-9]+$/g, '')
      .replace(/\.git$/i, '') || 'user'
  for (let n = 1; n <= 100; n++) {
    const login = n === 1 ? base : `${base}-${n}`
    if (await isFree(tx, login)) return login
  }
  throw new InputError('oidc-refused', `Every login like '${base}' is taken; ask the administrator of this server for an account`)
}

async function isFree(tx: Tx, login: string): Promise<boolean> {
  if (!isAllowedLogin(login)) return false
  const row = await tx.selectFrom('account').select('id').where(sql<boolean>`lower(login) = ${login.toLowerCase()}`).executeTakeFirst()
  return row === undefined
}

/** A path of this origin; anything else is dropped, so that nobody is led elsewhere. */
export function localPath(returnTo: string): string {
  const origin = 'http://stemma.invalid'
  if (!/^\/(?![/\\])/.test(returnTo) || returnTo.length > 2000 || /[\p{Cc}\\]/u.test(returnTo) || !URL.canParse(returnTo, origin))
    return '/'
  const url = new URL(returnTo, origin)
  return url.origin === origin ? `${url.pathname}${url.search}` : '/'
}

function stale(): InputError {
  return new InputError('oidc-state', 'This sign-in was begun elsewhere, is too old, or was used; begin again')
}

/** Takes away attempts that nobody finished. */
export async function expireAttempts(db: Database): Promise<void> {
  await db.queries.deleteFrom('oidc_login').where('expires_at', '<', sql<Date>`now()`).execute()
}
