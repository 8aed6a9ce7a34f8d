// A server whose npm registry everybody may sign up to, with npm's own client, an issuer of CI jobs' id-tokens, and advisories of the operator's.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { type Issuer, openIssuer } from './ci-issuer.ts'
import { TempFolder } from './git.ts'
import { NpmClient } from './npm-client.ts'
import { Server } from './server.ts'

export interface StandAnswer {
  readonly status: number
  readonly headers: Headers
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into whatever came
  readonly body: any
}

export interface StandAsked {
  readonly token?: string
  readonly body?: unknown
  readonly headers?: Record<string, string>
}

/** Everybody's. */
export const password = 'correct horse battery'

const bad = { id: 7, name: 'bad', title: 'It is bad', severity: 'critical', url: 'https://example.org/7', vulnerable_versions: '<1.2.0' }

export class NpmStand {
  readonly server: Server
  readonly issuer: Issuer
  readonly npm: NpmClient
  readonly #folder: TempFolder
  #addresses = 0

  private constructor(folder: TempFolder, server: Server, issuer: Issuer) {
    this.#folder = folder
    this.server = server
    this.issuer = issuer
    this.npm = new NpmClient(folder, 'npm', `${server.url}/npm/`)
  }

  static async open(name: string): Promise<NpmStand> {
    const folder = new TempFolder(name)
    const issuer = await openIssuer()
    const advisories = folder.join('advisories.json')
    writeFileSync(advisories, JSON.stringify([bad]))
    const env = {
      STEMMA_NPM_SIGN_UP: 'true',
      STEMMA_HTTP_TRUST_PROXY: '127.0.0.1',
      STEMMA_CI_ISSUERS: issuer.url,
      STEMMA_CI_AUDIENCE: 'stemma-test',
      STEMMA_NPM_ADVISORIES: advisories,
    }
    return new NpmStand(folder, await Server.start({ data: folder.join('data'), env }), issuer)
  }

  async close(): Promise<void> {
    await this.server.stop()
    await this.issuer.close()
    this.#folder.remove()
  }

  async ask(method: string, path: string, { token, body, headers = {} }: StandAsked = {}): Promise<StandAnswer> {
    const answer = await fetch(`${this.server.url}${path}`, {
      method,
      headers: { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await answer.text()
    return {
      status: answer.status,
      headers: answer.headers,
      body: /json/.test(answer.headers.get('content-type') ?? '') ? JSON.parse(text) : text,
    }
  }

  /** Signs up, each from an address of his own; his token. */
  async user(login: string): Promise<string> {
    const answer = await this.ask('PUT', `/npm/-/user/org.couchdb.user:${login}`, {
      body: { name: login, password, email: `${login}@example.org` },
      headers: { 'x-forwarded-for': `192.0.2.${++this.#addresses}` },
    })
    assert.equal(answer.status, 201)
    return answer.body.token as string
  }

  async organization(login: string, token: string): Promise<void> {
    assert.equal((await this.ask('POST', '/api/v3/user/orgs', { token, body: { login } })).status, 201)
  }

  /** Publishes by the client; a version of a package. */
  async publish(name: string, version: string, more: readonly string[] = [], env: Record<string, string> = {}) {
    return this.npm.run(['publish', ...more], { cwd: this.npm.package({ name, version }), env })
  }

  async versionsOf(name: string, token: string): Promise<string[]> {
    return Object.keys((await this.ask('GET', `/npm/${name.replace('/', '%2f')}?write=true`, { token })).body.versions ?? {})
  }
}
