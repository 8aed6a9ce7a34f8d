// When npm's clients are asked for a one-time code: 401 with `www-authenticate: OTP`, by which they ask their user and send the request again (docs/design/npm-access.md).
import type { FastifyRequest } from 'fastify'
import type { AccountId, AccountIdentity, Package } from '../../access/index.ts'
import { InputError } from '../../base/index.ts'
import type { Database } from '../../db/index.ts'
import { Refusal, type Routes, sentFrom } from '../../http/index.ts'
import type { SecondFactors } from '../../sign-in/index.ts'

export interface OtpAsking {
  readonly db: Database
  readonly secondFactors: SecondFactors
}

/** What the client sent. */
export function otpOf({ headers }: FastifyRequest): string | null {
  const sent = headers['npm-otp']
  return typeof sent === 'string' && sent.trim() !== '' ? sent.trim() : null
}

/** One run of a client sends one code with each of its requests; it is known by its token, its address, the command, and its session, where it says one. */
export function runOf(request: FastifyRequest, tokenId: number | null): string {
  const said = [request.headers['npm-command'], request.headers['npm-session']].map((value) => String(value ?? '').slice(0, 100))
  return [tokenId ?? 0, sentFrom(request), ...said].join(' ')
}

/** What asks for a code, in the clients' form. */
export function asOtpRefusal(error: unknown): unknown {
  if (!(error instanceof InputError) || !error.code.startsWith('otp-') || error.code === 'otp-exists') return error
  return new Refusal(401, error.code, error.message, { headers: { 'www-authenticate': 'OTP' } })
}

export function rethrowOtp(error: unknown): never {
  throw asOtpRefusal(error)
}

/** Whose code was taken: none is asked for twice of one request. */
const shown = new WeakSet<FastifyRequest>()

/** For what changes an account: whenever it has a second factor. @param isOnce the code is good for nothing else afterwards */
export async function demandOtp(
  { secondFactors }: OtpAsking,
  request: FastifyRequest,
  { accountId: id, login, tokenId }: AccountIdentity,
  { isOnce }: { readonly isOnce: boolean },
): Promise<void> {
  if (shown.has(request)) return
  await secondFactors.demand({ id, login }, otpOf(request), isOnce ? null : runOf(request, tokenId)).catch(rethrowOtp)
  shown.add(request)
}

const asking: readonly string[] = ['package:write', 'package:delete', 'package:administer', 'organization:administer']

/** Every route of the room that changes packages, or who may, asks for a code where one is due; what waits for somebody's word (`package:stage`) waits for his code, too. */
export function askForCodes(routes: Routes, parts: OtpAsking): void {
  routes.addHook('preHandler', async (request) => {
    const { access } = request.routeOptions.config
    if (typeof access !== 'object' || request.method === 'GET' || request.method === 'HEAD') return
    const action = typeof access.action === 'string' ? access.action : access.action.of(request)
    if (asking.includes(action)) await demandOtpToWrite(parts, request, request.package)
  })
}

/**
 * For what changes packages, once the gate has let it in: where the account that calls has a second factor for that (`auth-and-writes`), or the package wants one of
 * everybody. Machines have none: what is a repository's, a CI job's, or was made to do without.
 * @param one null: of no package in particular, or of one that isn't there yet
 * @throws Refusal 401 with `www-authenticate: OTP`; 403 where the package wants what the caller can't have
 */
export async function demandOtpToWrite(asking: OtpAsking, request: FastifyRequest, one: Pick<Package, 'id'> | null): Promise<void> {
  const { identity } = request
  const wanted = one === null ? null : await packageMfa(asking.db, one)
  if (identity.kind !== 'account') {
    if (identity.kind === 'repository' && wanted === 'publish') throw forbidden('a deployment’s token is none')
    return
  }
  if (identity.job !== undefined) return // what let it in says which job it is
  const { mode, bypasses } = await standingOf(asking.db, identity)
  if (bypasses) {
    if (wanted === 'publish') throw forbidden('a token that does without is not enough')
    return
  }
  if (wanted !== null && mode === null) throw forbidden('enable it for your account first: npm profile enable-2fa auth-and-writes')
  if (mode === 'auth-and-writes' || wanted !== null) await demandOtp(asking, request, identity, { isOnce: false })
}

async function standingOf(db: Database, { accountId, tokenId }: AccountIdentity) {
  const row = await db.queries
    .selectFrom('account')
    .leftJoin('account_otp', (join) =>
      join.onRef('account_otp.account_id', '=', 'account.id').on('account_otp.confirmed_at', 'is not', null),
    )
    .leftJoin('token', (join) => join.on('token.id', '=', tokenId))
    .select(['account_otp.mode', 'token.bypasses_otp'])
    .where('account.id', '=', accountId)
    .executeTakeFirst()
  return { mode: row?.mode ?? null, bypasses: row?.bypasses_otp === true }
}

/** What a package asks of whoever publishes it, by `npm access set mfa=`: nothing; a second factor; or that, but of machines' tokens. */
export type PackageMfa = 'publish' | 'automation'

async function packageMfa(db: Database, { id }: Pick<Package, 'id'>): Promise<PackageMfa | null> {
  const row = await db.queries.selectFrom('npm_package').select('mfa').where('package_id', '=', id).executeTakeFirst()
  return (row?.mfa ?? null) as PackageMfa | null
}

function forbidden(why: string): Refusal {
  return new Refusal(403, 'otp-needed', `Publishing this package takes two-factor authentication: ${why}`)
}

/** Whether the account has a second factor that counts. */
export async function hasSecondFactor({ db, secondFactors }: OtpAsking, id: AccountId): Promise<boolean> {
  const found = await secondFactors.find(db.queries, id)
  return found !== null && !found.isPending
}
