// A real OpenID provider (npm's oidc-provider) on loopback, whose own pages let anybody sign in under any name; and a browser that goes through them.
import { createServer, type Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'

interface ProviderInstance {
  callback(): (request: unknown, response: unknown) => void
  proxy: boolean
}

export interface TestProvider {
  readonly issuer: string
  /** What it tells of whoever signs in under that name. */
  readonly people: Map<string, Readonly<Record<string, unknown>>>
  close(): Promise<void>
}

export const client = { id: 'stemma', secret: 'a-secret-of-the-client' } as const

export async function openProvider(redirectUri: string): Promise<TestProvider> {
  // it has no types of its own
  const { default: Provider } = (await import('oidc-provider' as string)) as {
    default: new (issuer: string, configuration: object) => ProviderInstance
  }
  const server: HttpServer = createServer()
  await new Promise<void>((done) => void server.listen(0, '127.0.0.1', done))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const people = new Map<string, Readonly<Record<string, unknown>>>()
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: client.id,
        client_secret: client.secret,
        redirect_uris: [redirectUri],
        response_types: ['code'],
        grant_types: ['authorization_code'],
      },
    ],
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'preferred_username'] },
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    findAccount: (_context: unknown, id: string) => ({ accountId: id, claims: async () => ({ sub: id, ...people.get(id) }) }),
    cookies: { keys: ['test'] },
  })
  server.on('request', provider.callback())
  return {
    issuer,
    people,
    close: async () => {
      server.closeAllConnections()
      await new Promise<void>((done) => void server.close(() => done()))
    },
  }
}

/** Keeps cookies by origin, follows no redirect by itself. */
export class Browser {
  readonly #jars = new Map<string, Map<string, string>>()

  async get(url: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    return this.#send(url, { headers })
  }

  async post(url: string, form: Readonly<Record<string, string>>): Promise<Response> {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    return this.#send(url, { method: 'POST', body: new URLSearchParams(form).toString(), headers })
  }

  cookie(url: string, name: string): string | undefined {
    return this.#jar(url).get(name)
  }

  setCookie(url: string, name: string, value: string): void {
    this.#jar(url).set(name, value)
  }

  #jar(url: string): Map<string, string> {
    const { origin } = new URL(url)
    const jar = this.#jars.get(origin) ?? new Map<string, string>()
    this.#jars.set(origin, jar)
    return jar
  }

  async #send(
    url: string,
    init: { readonly method?: string; readonly body?: string; readonly headers: Readonly<Record<string, string>> },
  ): Promise<Response> {
    const jar = this.#jar(url)
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
    const answer = await fetch(url, { ...init, redirect: 'manual', headers: { ...init.headers, ...(cookie === '' ? {} : { cookie }) } })
    for (const line of answer.headers.getSetCookie()) {
      const [pair = ''] = line.split(';', 1)
      const at = pair.indexOf('=')
      const isGone = /max-age=0\b|expires=Thu, 01 Jan 1970/i.test(line)
      if (isGone) jar.delete(pair.slice(0, at))
      else jar.set(pair.slice(0, at), pair.slice(at + 1))
    }
    return answer
  }
}

/** Goes from where the server sent the browser through the provider's pages; the URL of the callback, not yet asked for. */
export async function passProvider(browser: Browser, start: string, name: string): Promise<string> {
  const { origin } = new URL(start)
  let url = start
  for (let steps = 0; steps < 12; steps++) {
    const answer = await browser.get(url)
    const location = answer.headers.get('location')
    if (location !== null) {
      url = new URL(location, url).href
      if (!url.startsWith(`${origin}/`)) return url
      continue
    }
    const page = await answer.text()
    const prompt = /name="prompt" value="(\w+)"/.exec(page)?.[1]
    if (prompt === undefined) throw new Error(`the provider shows a page that is no form: ${answer.status} ${page.slice(0, 500)}`)
    const action = /<form[^>]*action="([^"]+)"/.exec(page)?.[1] ?? url
    const sent = await browser.post(new URL(action, url).href, { prompt, ...(prompt === 'login' ? { login: name, password: 'any' } : {}) })
    url = new URL(sent.headers.get('location') ?? '', url).href
    if (!url.startsWith(`${origin}/`)) return url
  }
  throw new Error('the provider sends the browser round and round')
}
