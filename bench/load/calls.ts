// What the clients of the load test ask, each as one HTTP request on a kept connection, checked to be the answer that it should be.
import { Agent, type IncomingHttpHeaders, request } from 'node:http'
import { blob, commit, PackBuilder, tree } from '../../tests/support/pack-builder.ts'
import { delimiter, flush, pkt, pushBody, readReport, zeroId } from '../../tests/support/wire.ts'

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

export interface Call {
  readonly method: string
  readonly path: string
  readonly token: string
  readonly type?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
}

/** One client, with one connection that it keeps. */
export class Client {
  readonly #base: URL
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })

  constructor(url: string) {
    this.#base = new URL(url)
  }

  send({ method, path, token, type, headers, body }: Call): Promise<Answer> {
    const all = {
      authorization: `Bearer ${token}`,
      ...(type === undefined ? {} : { 'content-type': type }),
      ...(body === undefined ? {} : { 'content-length': String(body.length) }),
      ...headers,
    }
    const { hostname: host, port } = this.#base
    return new Promise((resolve, reject) => {
      const out = request({ host, port, method, path, headers: all, agent: this.#agent, timeout: 120_000 }, (answer) => {
        const chunks: Buffer[] = []
        answer.on('data', (chunk: Buffer) => chunks.push(chunk))
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) }))
        answer.on('error', reject)
      })
      out.on('timeout', () => out.destroy(new Error('nothing came for two minutes')))
      out.on('error', reject)
      out.end(body)
    })
  }

  close(): void {
    this.#agent.destroy()
  }
}

/** Something wrong with an answer; null: nothing. */
export type Verdict = string | null

function expect(answer: Answer, status: number, isRight: (body: Buffer) => boolean): Verdict {
  if (answer.status !== status) return `${answer.status}: ${answer.body.subarray(0, 200).toString()}`
  return isRight(answer.body)
    ? null
    : `an answer of ${answer.body.length} bytes that isn't right: ${answer.body.subarray(0, 100).toString('latin1')}`
}

const uploadPack = { method: 'POST', type: 'application/x-git-upload-pack-request', headers: { 'git-protocol': 'version=2' } } as const

export async function lsRefs(client: Client, token: string, path: string): Promise<Verdict> {
  const body = Buffer.concat([pkt('command=ls-refs'), pkt('object-format=sha1'), delimiter, pkt('symrefs\n'), flush])
  const answer = await client.send({ ...uploadPack, path: `${path}.git/git-upload-pack`, token, body })
  return expect(answer, 200, (bytes) => bytes.includes('refs/heads/main'))
}

/** The whole clone where `isShallow` is false. */
export function cloneBody(tip: string, isShallow: boolean): Buffer {
  const lines = ['ofs-delta', `want ${tip}`, ...(isShallow ? ['deepen 1'] : []), 'done'].map((line) => pkt(`${line}\n`))
  return Buffer.concat([pkt('command=fetch'), pkt('object-format=sha1'), delimiter, ...lines, flush])
}

export async function shallowClone(client: Client, token: string, path: string, tip: string): Promise<Verdict> {
  const answer = await client.send({ ...uploadPack, path: `${path}.git/git-upload-pack`, token, body: cloneBody(tip, true) })
  return expect(answer, 200, (bytes) => bytes.includes('\u0001PACK', 0, 'latin1') && bytes.subarray(-4).toString() === '0000')
}

export async function readApi(client: Client, token: string, path: string): Promise<Verdict> {
  const answer = await client.send({ method: 'GET', path: `/api/v3${path}`, token })
  return expect(answer, 200, (bytes) => bytes[0] === 0x5b || bytes[0] === 0x7b)
}

export async function downloadLfs(
  client: Client,
  token: string,
  path: string,
  { oid, sizeBytes }: { oid: string; sizeBytes: number },
): Promise<Verdict> {
  const answer = await client.send({ method: 'GET', path: `${path}.git/info/lfs/objects/${oid}`, token })
  return expect(answer, 200, (bytes) => bytes.length === sizeBytes)
}

/** A branch that one pusher moves: each push brings a commit, a tree and a blob. */
export class Branch {
  readonly #path: string
  readonly #ref: string
  #tip = zeroId
  #count = 0

  constructor(path: string, name: string) {
    this.#path = path
    this.#ref = `refs/heads/${name}`
  }

  async push(client: Client, token: string): Promise<Verdict> {
    const file = blob(`${this.#ref} ${this.#count}\n${'some text that is like the one before\n'.repeat(20)}`)
    const root = tree(['100644', 'file.txt', file.id])
    const next = commit(root.id, this.#tip === zeroId ? [] : [this.#tip], `push ${this.#count}\n`)
    const pack = new PackBuilder()
    for (const object of [next, root, file]) pack.add(object)
    const body = pushBody([{ old: this.#tip, new: next.id, ref: this.#ref }], pack.build(), 'report-status side-band-64k')
    const type = 'application/x-git-receive-pack-request'
    const answer = await client.send({ method: 'POST', path: `${this.#path}.git/git-receive-pack`, token, type, body })
    const report = readReport({ status: answer.status, headers: answer.headers, body: answer.body }, true)
    if (report.refs.get(this.#ref) !== 'ok') return `${answer.status}: ${report.unpack} ${[...report.refs.values()].join()} ${report.text}`
    this.#tip = next.id
    this.#count++
    return null
  }
}
