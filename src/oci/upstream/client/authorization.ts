// How an upstream is signed in to: a challenge answered by a token or by Basic. The one place that credentials leave by, and where they may go is
// decided here: to the upstream's own origin, or to the token endpoint that the operator declared. Never to whoever a challenge names (CVE-2026-33540).
import type { Clock } from '../../../base/index.ts'
import type { Outbound } from '../../../http/index.ts'
import { type Challenge, parseChallenges } from '../format/challenge.ts'
import { type Authorizing, failed, type Failure, limitedBody, type UpstreamAddress, withDeadline } from '../../../packages/index.ts'

const tokenAnswerBytes = 64 << 10
const longestTokenChars = 32 << 10
const timeoutMs = 30_000
/** What a token endpoint that says nothing means, by the specification. */
const defaultLifeS = 60
const longestLifeS = 3600
/** Given up so long before its end. */
const slackMs = 5000
const mostTokens = 1000

interface HeldToken {
  readonly value: string
  readonly untilMs: number
}

export interface AuthorizationParts {
  readonly outbound: Outbound
  readonly clock: Clock
  readonly agent: string
}

/** Of one upstream; lives as long as what is known of it. */
export class Authorization implements Authorizing {
  readonly #parts: AuthorizationParts
  readonly #address: UpstreamAddress
  readonly #tokens = new Map<string, HeldToken>()
  readonly #asking = new Map<string, Promise<Failure | null>>()
  #isBasic = false

  constructor(parts: AuthorizationParts, address: UpstreamAddress) {
    this.#parts = parts
    this.#address = address
  }

  /** What to send to the upstream's origin for that scope, as far as is known; null: nothing. */
  header(scope: string): string | null {
    const token = this.#tokens.get(scope)
    if (token !== undefined && token.untilMs > this.#parts.clock.monotonic()) return `Bearer ${token.value}`
    return this.#isBasic ? basicOf(this.#address) : null
  }

  /** Answers the upstream's own 401 (not one of a place that it redirected to). Null: `header` has something new to send. Throws what the request throws. Whoever asks for the same scope meanwhile waits for the same answer. */
  async answer(challenge: string | undefined, scope: string, sent: string | null): Promise<Failure | null> {
    const known = this.header(scope)
    if (known !== null && known !== sent) return null // another has answered it already
    const running = this.#asking.get(scope)
    if (running !== undefined) return await running
    const asking = this.#answer(challenge ?? '', scope, sent).finally(() => this.#asking.delete(scope))
    this.#asking.set(scope, asking)
    return await asking
  }

  async #answer(challenge: string, scope: string, sent: string | null): Promise<Failure | null> {
    this.#tokens.delete(scope)
    const challenges = parseChallenges(challenge)
    if (challenges === null) return failed('wrong', 'its challenge (WWW-Authenticate) is missing or malformed')
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer')
    if (bearer !== undefined) return await this.#fetchToken(bearer, scope)
    const basic = challenges.find(({ scheme }) => scheme === 'basic')
    if (basic === undefined)
      return failed('wrong', `it wants ${challenges.map(({ scheme }) => scheme).join(' or ')}, which isn't spoken here`)
    if (this.#address.credentials === null) return failed('refused', 'it wants credentials, and none are declared')
    if (sent !== null && sent === basicOf(this.#address)) return failed('refused', 'it refuses the declared credentials')
    this.#isBasic = true
    return null
  }

  async #fetchToken(challenge: Challenge, scope: string): Promise<Failure | null> {
    const realm = endpointOf(challenge, this.#address)
    if (!(realm instanceof URL)) return realm
    const service = challenge.parameters.get('service')
    if (service !== undefined) realm.searchParams.set('service', service)
    realm.searchParams.set('scope', scope) // ours, whatever the challenge asks for
    const authorization = basicOf(this.#address)
    const { outbound, agent } = this.#parts
    const headers = { 'user-agent': agent, accept: 'application/json', 'accept-encoding': 'identity' }
    return await withDeadline(new AbortController().signal, timeoutMs, async (within) => {
      const answer = await outbound.request({
        method: 'GET',
        url: realm.href,
        headers: authorization === null ? headers : { ...headers, authorization },
        signal: within,
      })
      if (answer.status !== 200) {
        answer.drop()
        return refusalOf(answer.status, realm, isDeclared(realm, this.#address))
      }
      return this.#keep(scope, await limitedBody(answer, tokenAnswerBytes), realm)
    })
  }

  #keep(scope: string, body: Uint8Array | null, realm: URL): Failure | null {
    const held = body === null ? null : parseToken(body)
    if (held === null) return failed('wrong', `the token endpoint ${realm.origin} gave no token`)
    if (this.#tokens.size >= mostTokens) this.#tokens.clear()
    this.#tokens.set(scope, { value: held.token, untilMs: this.#parts.clock.monotonic() + Math.max(1000, held.lifeS * 1000 - slackMs) })
    return null
  }
}

/** The token endpoint that the challenge names, if it may be asked. */
function endpointOf(challenge: Challenge, address: UpstreamAddress): URL | Failure {
  const named = challenge.parameters.get('realm') ?? ''
  const realm = URL.canParse(named) ? new URL(named) : null
  if (realm === null || !/^https?:$/.test(realm.protocol) || realm.username !== '' || realm.password !== '' || realm.hash !== '') {
    return failed('wrong', 'its challenge names no token endpoint')
  }
  const isOwn = isDeclared(realm, address)
  if (!isOwn && address.credentials !== null) {
    return failed(
      'wrong',
      `its challenge names the token endpoint ${realm.origin}, which is neither its own origin nor the declared one: the credentials were not sent (if it is right, declare it as auth)`,
    )
  }
  if (!isOwn && realm.protocol !== 'https:' && address.origin.startsWith('https:')) {
    return failed('wrong', `its challenge leads from https to ${realm.origin}`)
  }
  return realm
}

/** Said by the operator, not only by a challenge. */
function isDeclared(realm: URL, address: UpstreamAddress): boolean {
  return realm.origin === address.origin || realm.origin === address.authOrigin
}

function basicOf({ credentials }: UpstreamAddress): string | null {
  if (credentials === null) return null
  return `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`
}

function refusalOf(status: number, realm: URL, isGeneral: boolean): Failure {
  const what = `the token endpoint ${realm.origin} answers ${status}`
  if (status === 429) return failed('busy', what, null, isGeneral)
  return failed(status >= 500 ? 'unreachable' : status === 401 || status === 403 || status === 400 ? 'refused' : 'wrong', what)
}

function parseToken(body: Uint8Array): { readonly token: string; readonly lifeS: number } | null {
  let parsed: unknown
  try {
    parsed = JSON.parse(Buffer.from(body).toString('utf8'))
  } catch {
    return null
  }
  if (typeof parsed !== 'object' || parsed === null) return null
  const { token, access_token: accessToken, expires_in: expiresIn } = parsed as Record<string, unknown>
  const value = typeof token === 'string' && token !== '' ? token : accessToken
  if (typeof value !== 'string' || value.length > longestTokenChars || !/^[\x21-\x7e]+$/.test(value)) return null
  const lifeS = typeof expiresIn === 'number' && expiresIn > 0 ? Math.min(expiresIn, longestLifeS) : defaultLifeS
  return { token: value, lifeS }
}
