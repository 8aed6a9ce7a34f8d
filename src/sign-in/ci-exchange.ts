// A CI job's id-token for a token of ours (RFC 8693's idea; GitHub's and GitLab's claims). Its issuer's keys are fetched from the issuers that the operator
// named, and from nowhere else.
import * as jose from 'jose'
import { type Actor, fullName, issueToken, type Repository } from '../access/index.ts'
import { type Clock, InputError, type Randomness, UnavailableError } from '../base/index.ts'
import { type Database, sql, sqlState, type Tx } from '../db/index.ts'
import { grantOf, listCiTrusts, matchesTrust } from './ci-trusts.ts'

export interface CiSettings {
  /** URLs of the issuers that may be trusted. */
  readonly issuers: readonly string[]
  /** What `aud` must be. */
  readonly audience: string
}

export interface CiToken {
  readonly secret: string
  readonly expiresAt: Date
  readonly scopes: readonly string[]
  /** The trust that let it in. */
  readonly trust: string
}

const algorithms = ['RS256', 'PS256', 'ES256', 'EdDSA']
const mostBytes = 16_384
const timeoutMs = 5000
/** Claims that are kept: what says which job it was. */
const kept = [
  'iss',
  'sub',
  'repository',
  'project_path',
  'workflow_ref',
  'job_workflow_ref',
  'ci_config_ref_uri',
  'ref',
  'ref_type',
  'sha',
  'environment',
  'event_name',
  'actor',
  'user_login',
  'run_id',
  'job_id',
  'pipeline_id',
]

/** Of an id-token that holds. */
export type CiClaims = jose.JWTPayload & { readonly iss: string; readonly sub: string; readonly jti: string; readonly exp: number }

type Keys = ReturnType<typeof jose.createRemoteJWKSet>

/** Lives as long as the server: it keeps the issuers' keys. */
export class CiExchange {
  readonly #parts: { readonly db: Database; readonly clock: Clock; readonly randomness: Randomness }
  readonly #settings: CiSettings
  readonly #keys = new Map<string, Promise<Keys>>()

  constructor(parts: { readonly db: Database; readonly clock: Clock; readonly randomness: Randomness }, settings: CiSettings) {
    this.#parts = parts
    this.#settings = settings
  }

  get issuers(): readonly string[] {
    return this.#settings.issuers
  }

  /**
   * @param repository null: there is none of that name; that is the same answer as one that trusts nobody
   * InputError `not-trusted`: the id-token doesn't hold, was exchanged before, or no trust of the repository is meant for it.
   */
  async exchange(
    repository: Repository | null,
    idToken: string,
    visitor: { readonly ip: string; readonly requestId: string },
  ): Promise<CiToken> {
    const claims = await this.verify(idToken, [this.#settings.audience])
    const trusts = repository === null ? [] : await listCiTrusts(this.#parts.db.queries, repository.id)
    const trust = trusts.find((one) => one.issuer === claims.iss && matchesTrust(one, claims))
    if (repository === null || trust === undefined) throw notTrusted('no trust of the repository is meant for it')
    const { db, clock, randomness } = this.#parts
    const expiresAt = new Date(clock.now() + trust.lifetimeSeconds * 1000)
    const actor: Actor = { accountId: null, name: `ci ${String(claims.sub).slice(0, 200)}`, ...visitor }
    const secret = await db.transaction(async (tx) => {
      await spend(tx, claims)
      const bearer = {
        kind: 'repository',
        repositoryId: repository.id,
        ownerId: repository.ownerId,
        fullName: fullName(repository),
      } as const
      const name = `${String(claims.sub).slice(0, 200)} ${randomness.uuid()}`
      const grant = grantOf(trust, repository.id)
      return (await issueToken(tx, { kind: 'ci', bearer, name, grant, expiresAt, actor, claims: keptClaims(claims) }, randomness)).secret
    })
    return { secret, expiresAt, scopes: trust.scopes, trust: trust.name }
  }

  /** InputError `not-trusted`: it doesn't hold, or is for somebody else than `audiences`. */
  async verify(idToken: string, audiences: readonly string[]): Promise<CiClaims> {
    if (idToken.length > mostBytes) throw notTrusted('it is too long')
    const issuer = issuerOf(idToken)
    if (!this.#settings.issuers.includes(issuer)) throw notTrusted('its issuer is not one that this server knows')
    const keys = await this.#keysOf(issuer)
    try {
      const { payload } = await jose.jwtVerify(idToken, keys, {
        issuer,
        audience: [...audiences],
        algorithms,
        maxTokenAge: '1h',
        clockTolerance: 60,
        requiredClaims: ['exp', 'iat', 'sub', 'jti'],
        currentDate: new Date(this.#parts.clock.now()),
      })
      return payload as CiClaims
    } catch (error) {
      if (error instanceof jose.errors.JWKSTimeout || error instanceof TypeError) throw silent(issuer, error)
      throw notTrusted(reasonOf(error), error)
    }
  }

  async #keysOf(issuer: string): Promise<Keys> {
    const known = this.#keys.get(issuer)
    if (known !== undefined) return known
    const keys = discoverKeys(issuer)
    this.#keys.set(issuer, keys)
    return keys.catch((error: unknown) => {
      this.#keys.delete(issuer) // asked again by the next who comes
      throw silent(issuer, error)
    })
  }
}

/** In the transaction that makes something of it: an id-token is good once. @param use of several that it is good for, once each. InputError `not-trusted`. */
export async function spend(tx: Tx, { iss, jti, exp }: CiClaims, use = ''): Promise<void> {
  await tx
    .insertInto('ci_exchange')
    .values({ issuer: iss, jti: use === '' ? jti : `${jti} ${use}`, expires_at: new Date(exp * 1000) })
    .execute()
    .catch((error: unknown) => {
      throw sqlState(error) === '23505' ? notTrusted('it was exchanged before') : error
    })
}

/** Of its claims, what says which job it was. */
export function keptClaims(claims: CiClaims): Record<string, unknown> {
  return Object.fromEntries(kept.flatMap((claim) => (claim in claims ? [[claim, claims[claim]]] : [])))
}

async function discoverKeys(issuer: string): Promise<Keys> {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const answer = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(timeoutMs) })
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`)
  const document = (await answer.json()) as { readonly issuer?: unknown; readonly jwks_uri?: unknown }
  if (document.issuer !== issuer || typeof document.jwks_uri !== 'string') throw new Error(`${url} is not about ${issuer}`)
  const keys = new URL(document.jwks_uri)
  if (keys.protocol !== new URL(issuer).protocol && keys.protocol !== 'https:')
    throw new Error(`${issuer} has its keys at ${keys.protocol}`)
  return jose.createRemoteJWKSet(keys, { timeoutDuration: timeoutMs, cooldownDuration: 30_000, cacheMaxAge: 600_000 })
}

function issuerOf(idToken: string): string {
  try {
    return String(jose.decodeJwt(idToken).iss)
  } catch (error) {
    throw notTrusted('it is no JWT', error)
  }
}

/** Of what the library says, the name of what is wrong. */
function reasonOf(error: unknown): string {
  if (error instanceof jose.errors.JWTExpired) return 'it has expired'
  if (error instanceof jose.errors.JWTClaimValidationFailed) return `its claim '${error.claim}' is not as it must be`
  return 'its signature does not hold'
}

export function notTrusted(why: string, cause?: unknown): InputError {
  return new InputError('not-trusted', `The id-token is not trusted: ${why}`, cause === undefined ? {} : { cause })
}

function silent(issuer: string, cause: unknown): UnavailableError {
  return new UnavailableError('ci-issuer', `${issuer} does not tell its keys`, { cause })
}

/** Takes away what is kept of id-tokens that have expired. */
export async function expireExchanges(db: Database): Promise<void> {
  await db.queries.deleteFrom('ci_exchange').where('expires_at', '<', sql<Date>`now() - interval '1 hour'`).execute()
}
