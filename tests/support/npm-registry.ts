// The server's npm registry in this process, asked by plain HTTP, and what is published to it.
import { sql } from '../../src/db/index.ts'
import { makeAccount, type TestAccount } from './accounts.ts'
import { type FacesOptions, openFaces, type TestFaces } from './faces.ts'
import { npmDocument, type NpmDocument, type Published } from './npm-documents.ts'

export interface NpmAnswer {
  readonly status: number
  readonly headers: Headers
  readonly bytes: Buffer
  /** Of JSON. */
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into whatever came
  readonly json: any
  /** What the client shows. */
  readonly error: string | undefined
}

export interface NpmAsked {
  /** The caller; null: nobody. Olive without it. */
  readonly as?: TestAccount | null
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array | string | object
}

export class TestNpm {
  readonly faces: TestFaces
  readonly url: string
  readonly olive: TestAccount
  readonly sam: TestAccount

  private constructor(faces: TestFaces, url: string, olive: TestAccount, sam: TestAccount) {
    this.faces = faces
    this.url = url
    this.olive = olive
    this.sam = sam
  }

  static async open(options: Omit<FacesOptions, 'isWhole'> = {}): Promise<TestNpm> {
    const faces = await openFaces({ isWhole: true, ...options })
    const url = await faces.listener.listen({ host: '127.0.0.1', port: 0 })
    return new TestNpm(faces, url, await makeAccount(faces.db, 'olive'), await makeAccount(faces.db, 'sam'))
  }

  /** `path` stands behind /npm/. */
  async ask(method: string, path: string, { as = this.olive, headers = {}, body }: NpmAsked = {}): Promise<NpmAnswer> {
    const sent = body === undefined || typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body)
    const answer = await fetch(`${this.url}/npm/${path}`, {
      method,
      headers: {
        ...(as === null ? {} : { authorization: `Bearer ${as.token}` }),
        ...(sent === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(sent === undefined ? {} : { body: sent as string }),
    })
    const bytes = Buffer.from(await answer.arrayBuffer())
    const isJson = /json/.test(answer.headers.get('content-type') ?? '') && bytes.length > 0
    const json = isJson ? (JSON.parse(bytes.toString()) as { error?: string }) : null
    return { status: answer.status, headers: answer.headers, bytes, json, error: json?.error }
  }

  /** To Olive's registry. */
  async publish(published: Published, asked: NpmAsked = {}): Promise<NpmAnswer & NpmDocument> {
    const made = npmDocument(published)
    return { ...(await this.ask('PUT', pathOf(published.name), { body: made.body, ...asked })), ...made }
  }

  /** What a client would write back. */
  async toWrite(name: string): Promise<NpmAnswer> {
    return this.ask('GET', `${pathOf(name)}?write=true`)
  }

  /** Rows of one statement. */
  async rows<T>(text: string): Promise<readonly T[]> {
    return (await sql.raw<T>(text).execute(this.faces.db.queries)).rows
  }

  close(): Promise<void> {
    return this.faces.close()
  }
}

/** In Olive's registry, as npm writes it. */
export function pathOf(name: string): string {
  return `olive/${name.replace('/', '%2f')}`
}
