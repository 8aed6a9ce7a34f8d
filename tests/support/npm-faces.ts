// The server's npm registry in this process, asked by plain HTTP.
import assert from 'node:assert/strict'
import { type IncomingHttpHeaders, request } from 'node:http'
import type { Package } from '../../src/access/index.ts'
import { makeAccount, type TestAccount } from './accounts.ts'
import { openFaces, type TestFaces } from './faces.ts'
import { publishRow, type PublishedRow } from './npm-rows.ts'

export const abbreviated = 'application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*'

export interface NpmAsked {
  /** The caller; nobody without it. */
  readonly as?: TestAccount | undefined
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

export interface NpmAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** As they came. */
  readonly bytes: Buffer
}

export class NpmFaces {
  readonly faces: TestFaces
  readonly url: string
  /** Whose the root registry's unscoped names are. */
  readonly olive: TestAccount
  readonly sam: TestAccount

  private constructor(faces: TestFaces, url: string, olive: TestAccount, sam: TestAccount) {
    this.faces = faces
    this.url = url
    this.olive = olive
    this.sam = sam
  }

  static async open(environment: Readonly<Record<string, string>> = {}): Promise<NpmFaces> {
    const faces = await openFaces({ isWhole: true, environment: { STEMMA_NPM_ROOT: 'olive', ...environment } })
    const url = await faces.listener.listen({ host: '127.0.0.1', port: 0 })
    return new NpmFaces(faces, url, await makeAccount(faces.db, 'olive'), await makeAccount(faces.db, 'sam'))
  }

  /** `path` stands behind /npm/. Sends no header that isn't asked for, and gives bytes as they come: fetch would unpack them. */
  ask(path: string, { as, method = 'GET', headers = {}, body }: NpmAsked = {}): Promise<NpmAnswer> {
    const login = as === undefined ? {} : { authorization: `Bearer ${as.token}` }
    const { promise, resolve, reject } = Promise.withResolvers<NpmAnswer>()
    const sent = request(`${this.url}/npm/${path}`, { method, headers: { ...login, ...headers } }, (answer) => {
      const pieces: Buffer[] = []
      answer.on('data', (piece: Buffer) => pieces.push(piece))
      answer.on('error', reject)
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, bytes: Buffer.concat(pieces) }))
    })
    sent.on('error', reject).end(body)
    return promise
  }

  /** Of an answer that is 200. */
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into whatever came
  async json(path: string, asked: NpmAsked = {}): Promise<any> {
    const answer = await this.ask(path, asked)
    assert.equal(answer.status, 200, `${path} ${answer.bytes.toString()}`)
    return JSON.parse(answer.bytes.toString())
  }

  /** Olive's, and public, where nothing else is said. */
  publish(row: Partial<PublishedRow> & Pick<PublishedRow, 'name' | 'version'>): Promise<Package> {
    return publishRow(this.faces, { owner: 'olive', ...row })
  }

  close(): Promise<void> {
    return this.faces.close()
  }
}
