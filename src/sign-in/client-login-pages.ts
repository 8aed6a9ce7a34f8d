// /login/client: the page where somebody with a browser lets a client in that has none. What changes anything is a form of this page's: sent from this origin,
// by the browser that opened it, once (docs/design/npm-access.md).
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AccountIdentity } from '../access/index.ts'
import { isCrossSite } from '../access/index.ts'
import { InputError, type Randomness, hex } from '../base/index.ts'
import { type Listener, type ProblemForm, Refusal, requestBody, sentOrigin } from '../http/index.ts'
import type { ClientLogins, WaitingLogin } from './client-logins.ts'
import { Html, html, page } from './format/page.ts'
import { cookieHeader, cookieIn, sessionCookieHeader, visitorOf } from './cookies.ts'
import { signInByPassword, type SignInParts } from './sessions.ts'

const path = '/login/client'
const browserCookie = 'stemma_client_login'
const cookieSeconds = 600
const formBytes = 8192

export interface ClientLoginOptions {
  readonly signIn: SignInParts
  readonly logins: ClientLogins
  readonly randomness: Randomness
  readonly publicUrl: string | null
  /** Whether there is a provider to sign in by. */
  readonly hasOidc: boolean
}

/** Where the user of a client that waits is sent. */
export function clientLoginUrl(origin: string, id: string): string {
  return `${origin}${path}?id=${id}`
}

const headers = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
  // not `no-referrer`: forms would say nothing of where they come from
  'referrer-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
}

const form: ProblemForm = ({ message }) => ({
  type: 'text/html; charset=utf-8',
  body: page('Sign in', html`<p class="fault">${message}</p>`),
  headers,
})

const statusOf = { 'no-login': 404, suspended: 403 }

export function registerClientLogins(listener: Listener, options: ClientLoginOptions): void {
  const config = { access: 'public' } as const
  listener.room({ form, body: { raw: /^application\/x-www-form-urlencoded/ }, statusOf, rate: 'api' }, (routes) => {
    // not by HEAD: whoever looks whether there is a page would be the browser that opened it
    routes.get(path, { config, exposeHeadRoute: false }, async (request, reply) => {
      const { id } = request.query as { id?: unknown }
      const known = cookieIn(request, browserCookie)
      const browser = known ?? hex(options.randomness.bytes(20))
      const waiting = typeof id === 'string' ? await options.logins.open(id, browser) : null
      if (waiting === null) throw gone()
      const lasting = { maxAgeSeconds: cookieSeconds, isSecure: isSecure(options, request), path }
      reply.header('set-cookie', cookieHeader(browserCookie, browser, lasting))
      return show(reply, waitingPage(options, String(id), waiting, sessionOf(request)))
    })
    routes.post(path, { config }, async (request, reply) => {
      const fields = await readForm(request)
      const session = sessionOf(request)
      const isYes = fields.get('answer') === 'yes'
      if (isYes && session === null) throw new Refusal(401, 'unauthenticated', 'Your session is over: go back, and sign in again')
      const answered = await options.logins.answer(fields.get('id') ?? '', browserOf(request), isYes ? (session?.accountId ?? null) : null)
      if (!answered) throw gone()
      return show(reply, isYes ? donePage : refusedPage)
    })
    routes.post(`${path}/session`, { config }, async (request, reply) => {
      const fields = await readForm(request)
      const id = fields.get('id') ?? ''
      const waiting = await options.logins.open(id, browserOf(request))
      if (waiting === null) throw gone()
      const given = { login: fields.get('login') ?? '', password: fields.get('password') ?? '', otp: fields.get('otp') || null }
      try {
        const session = await signInByPassword(options.signIn, given, visitorOf(request))
        reply.header('set-cookie', sessionCookieHeader(session.secret, isSecure(options, request)))
      } catch (error) {
        if (!(error instanceof InputError) || !/^(bad-password|otp-.*)$/.test(error.code)) throw error
        return show(reply.code(401), waitingPage(options, id, waiting, null, faultOf(error)))
      }
      return reply
        .code(303)
        .headers({ ...headers, location: `${path}?id=${encodeURIComponent(id)}` })
        .send('')
    })
  })
}

/** A browser's, which a page may speak for; a token that was sent by something else says nothing here. */
function sessionOf({ identity, headers: sent }: FastifyRequest): AccountIdentity | null {
  return identity.kind === 'account' && sent.authorization === undefined ? identity : null
}

/** The cookie of the browser that opened the page. */
function browserOf(request: FastifyRequest): string {
  const browser = cookieIn(request, browserCookie)
  if (browser === null) throw gone()
  return browser
}

async function readForm(request: FastifyRequest): Promise<URLSearchParams> {
  if (isCrossSite(request.method, request.headers, request.host))
    throw new Refusal(403, 'cross-site', 'A page of another site sent this; begin again')
  const chunks: Uint8Array[] = []
  for await (const chunk of requestBody(request, { limitBytes: formBytes })) chunks.push(chunk)
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'))
}

function isSecure({ publicUrl }: ClientLoginOptions, request: FastifyRequest): boolean {
  return (publicUrl ?? sentOrigin(request)).startsWith('https:')
}

function gone(): Refusal {
  return new Refusal(
    404,
    'no-login',
    'Nothing waits here: it is too old, was answered, or was opened in another browser. Begin again where you began.',
  )
}

function faultOf(error: InputError): string {
  return error.code === 'otp-required' ? 'This account has a second factor: give its one-time code, too' : error.message
}

function show(reply: FastifyReply, text: string): FastifyReply {
  return reply.headers(headers).type('text/html; charset=utf-8').send(text)
}

function waitingPage(
  { hasOidc }: ClientLoginOptions,
  id: string,
  { client, ip, userAgent, createdAt }: WaitingLogin,
  session: AccountIdentity | null,
  fault: string | null = null,
): string {
  const facts = html`<p>A client of ${client} asks to be let in. If you have not just begun this yourself, refuse.</p>
<dl><dt>From</dt><dd>${ip}</dd><dt>It calls itself</dt><dd>${userAgent ?? '(nothing)'}</dd><dt>Since</dt><dd>${createdAt.toISOString()}</dd></dl>`
  const hidden = html`<input type="hidden" name="id" value="${id}">`
  const refuse = html`<button name="answer" value="no">Refuse</button>`
  if (session !== null) {
    const answer = html`${facts}
<form method="post" action="${path}">${hidden}<button class="yes" name="answer" value="yes">Let it in as ${session.login}</button> ${refuse}</form>`
    return page(`Sign in to ${client}`, answer)
  }
  const returnTo = encodeURIComponent(`${path}?id=${encodeURIComponent(id)}`)
  const provider = hasOidc
    ? html`<p><a class="button" href="/login/oidc?return_to=${returnTo}">Sign in by your provider</a></p>`
    : new Html('')
  const content = html`${facts}
${fault === null ? null : html`<p class="fault">${fault}</p>`}
<form method="post" action="${path}/session">${hidden}
<label>Login <input name="login" autocomplete="username" autocapitalize="none" required></label>
<label>Password <input name="password" type="password" autocomplete="current-password" required></label>
<label>One-time code, if you have one <input name="otp" inputmode="numeric" autocomplete="one-time-code"></label>
<button class="yes">Sign in</button></form>
${provider}
<form method="post" action="${path}">${hidden}${refuse}</form>`
  return page(`Sign in to ${client}`, content)
}

const donePage = page('You are signed in', html`<p>The client goes on by itself. You can close this page.</p>`)
const refusedPage = page('Refused', html`<p>The client was not let in. You can close this page.</p>`)
