// What the clients' tests run against: the real server, a registry of Olive's in it, advisories about packages of hers, and what the server itself says afterwards.
import { writeFileSync } from 'node:fs'
import { openRegistryHost, type RegistryHost } from '../support/oci-clients.ts'
import { TempFolder } from '../support/git.ts'
import { ClientHome } from './client-home.ts'
import type { ClientName } from './installed.ts'

export const password = 'correct horse battery'
export const advisory = 'GHSA-leak-leak-leak'

export interface IssuedToken {
  readonly id: number
  readonly token: string
}

export class NpmStand {
  readonly host: RegistryHost
  readonly #advisories: TempFolder

  private constructor(host: RegistryHost, advisories: TempFolder) {
    this.host = host
    this.#advisories = advisories
  }

  static async open(name: ClientName | 'trust', env: Readonly<Record<string, string>> = {}): Promise<NpmStand> {
    const advisories = new TempFolder('npm-advisories')
    writeFileSync(advisories.join('leaky.json'), JSON.stringify(leaky(`@olive/${name}-leaky`)))
    const own = { STEMMA_NPM_SIGN_UP: 'true', STEMMA_NPM_ADVISORIES: advisories.path }
    return new NpmStand(await openRegistryHost(`npm-${name}`, { ...own, ...env }), advisories)
  }

  async close(): Promise<void> {
    await this.host.close()
    this.#advisories.remove()
  }

  /** `http://127.0.0.1:PORT/npm/OWNER/` */
  registry(owner = 'olive'): string {
    return `${this.host.server.url}/npm/${owner}/`
  }

  /** A client with a clean home that knows Olive's registry, and her token if not said otherwise. */
  home(name: ClientName, token: string | null = this.host.owner.token, home = `home-${name}`, owner = 'olive'): ClientHome {
    const made = new ClientHome(this.host.folder, name, this.registry(owner), home)
    made.configure(token)
    return made
  }

  /** The packument in Olive's registry; null: there is none. */
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into whatever came
  async packument(name: string): Promise<any> {
    const answer = await this.#ask('GET', `/npm/olive/${name.replace('/', '%2f')}`)
    if (answer.status === 404) return null
    if (answer.status !== 200) throw new Error(`${name}: ${answer.status} ${await answer.text()}`)
    return answer.json()
  }

  async tags(name: string): Promise<Record<string, string>> {
    return (await this.packument(name))?.['dist-tags'] ?? {}
  }

  /** It ends at once. */
  async revoke({ id }: IssuedToken): Promise<void> {
    const answer = await this.#ask('DELETE', `/api/v3/user/tokens/${id}`)
    if (answer.status !== 204) throw new Error(`${answer.status} ${await answer.text()}`)
  }

  /** A token of Olive's that publishes. */
  async issue(): Promise<IssuedToken> {
    const answer = await this.#ask('POST', '/api/v3/user/tokens', { name: 'issued', scopes: ['package:admin'] })
    if (answer.status !== 201) throw new Error(`${answer.status} ${await answer.text()}`)
    return (await answer.json()) as IssuedToken
  }

  /** The id of the one version that waits. */
  async staged(name: string): Promise<string> {
    const answer = await this.#ask('GET', `/npm/olive/-/stage?package=${encodeURIComponent(name)}`)
    const { items } = (await answer.json()) as { items: readonly { readonly id: string }[] }
    const [only] = items
    if (only === undefined || items.length > 1) throw new Error(`${items.length} versions of ${name} wait`)
    return only.id
  }

  /** An account that has a password, made as `npm adduser` makes it. */
  async account(login: string): Promise<void> {
    const user = { _id: `org.couchdb.user:${login}`, name: login, password, email: `${login}@example.org`, type: 'user', roles: [] }
    const answer = await this.#ask('PUT', `/npm/-/user/org.couchdb.user:${login}`, user)
    if (answer.status !== 201) throw new Error(`${answer.status} ${await answer.text()}`)
  }

  /** What somebody with a browser does at the address that a client shows: signs in, and says yes. */
  async letIn(address: string, login: string): Promise<void> {
    const cookies = new Map<string, string>()
    const visit = async (url: string, form?: Readonly<Record<string, string>>): Promise<Response> => {
      const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
      const headers = { cookie, 'sec-fetch-site': 'same-origin' }
      const init = form === undefined ? { headers } : { method: 'POST', headers, body: new URLSearchParams(form) }
      const answer = await fetch(url, { ...init, redirect: 'manual' })
      for (const line of answer.headers.getSetCookie()) {
        const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
        cookies.set(name, value)
      }
      if (answer.status >= 400) throw new Error(`${url}: ${answer.status} ${await answer.text()}`)
      return answer
    }
    const { origin, searchParams } = new URL(address)
    const id = searchParams.get('id') ?? ''
    await visit(address)
    await visit(`${origin}/login/client/session`, { id, login, password })
    await visit(`${origin}/login/client`, { id, answer: 'yes' })
  }

  #ask(method: string, path: string, body?: object): Promise<Response> {
    const headers = { authorization: `Bearer ${this.host.owner.token}`, 'content-type': 'application/json' }
    return fetch(`${this.host.server.url}${path}`, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
  }
}

/** As OSV writes it. */
function leaky(name: string): object {
  return {
    id: advisory,
    summary: 'It leaks',
    details: 'Every version before 1.1.0 leaks.',
    modified: '2026-01-01T00:00:00Z',
    affected: [{ package: { ecosystem: 'npm', name }, ranges: [{ type: 'SEMVER', events: [{ introduced: '0' }, { fixed: '1.1.0' }] }] }],
    database_specific: { severity: 'HIGH' },
  }
}
