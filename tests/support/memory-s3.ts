// A small S3 in memory, over HTTP: path style, one bucket by whatever name, no signatures checked but those of URLs, single and multipart uploads, ranges, listing. It counts requests
// and fails as it is told to. What a real S3 does is proven on Ceph RGW (tests/ceph); this one is for counts and for faults on demand.
import { createHash, randomUUID } from 'node:crypto'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { signGet } from '../../src/bucket/presign.ts'

/**
 * What goes wrong with a request. `fail`: 503 at once, nothing done. `stall`: no answer and nothing done until the client gives up.
 * `truncate`: half of the answer, or half of the body read and nothing done, then the connection breaks. `lose`: done, then the
 * connection breaks before the answer.
 */
export type S3Fault = 'fail' | 'stall' | 'truncate' | 'lose'

export interface S3Request {
  readonly method: string
  readonly key: string
  /** `put`, `get`, `part`, …: what the request is for. */
  /** The URL is signed: it came from a client of the server's. */
  readonly isSigned: boolean
  readonly verb: 'put' | 'get' | 'head' | 'delete' | 'list' | 'start' | 'part' | 'complete' | 'abort' | 'bucket'
}

const credentials = { accessKeyId: 'access', secretAccessKey: 'secret', region: 'us-east-1' } as const

export class MemoryS3 {
  readonly keys = new Map<string, Buffer>()
  /** Every request since the last `resetLog`, bucket-level ones (HEAD of the bucket, …) included. */
  log: S3Request[] = []
  /** Says what goes wrong with each request; null: nothing. */
  fault: (request: S3Request) => S3Fault | null = () => null
  readonly #uploads = new Map<string, { readonly key: string; readonly parts: Map<number, Buffer> }>()
  readonly #server: http.Server
  readonly #bucket = 'stemma-test'

  private constructor() {
    this.#server = http.createServer((request, response) => {
      this.#handle(request, response).catch(() => response.destroy())
    })
  }

  static async start(port = 0): Promise<MemoryS3> {
    const made = new MemoryS3()
    await new Promise<void>((resolve) => made.#server.listen(port, '127.0.0.1', resolve))
    return made
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** The environment that makes a server use this bucket. */
  get environment(): Readonly<Record<string, string>> {
    return {
      STEMMA_BUCKET_S3_ENDPOINT: this.endpoint,
      STEMMA_BUCKET_S3_BUCKET: this.#bucket,
      STEMMA_BUCKET_S3_REGION: 'us-east-1',
      STEMMA_BUCKET_S3_ACCESS_KEY_ID: credentials.accessKeyId,
      STEMMA_BUCKET_S3_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      STEMMA_BUCKET_S3_PATH_STYLE: 'true',
    }
  }

  /** Uploads that were started and neither completed nor aborted. */
  get unfinishedUploads(): number {
    return this.#uploads.size
  }

  resetLog(): void {
    this.log = []
  }

  /** Requests of the log that move or remove data, by verb. */
  counts(): Record<string, number> {
    const counts: Record<string, number> = {}
    for (const { verb } of this.log) if (verb !== 'bucket') counts[verb] = (counts[verb] ?? 0) + 1
    return counts
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }

  async #handle(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.endpoint)
    const [, , ...rest] = url.pathname.split('/')
    const key = decodeURIComponent(rest.join('/'))
    const verb = verbOf(request.method ?? 'GET', key, url.searchParams)
    const isSigned = url.searchParams.has('X-Amz-Signature')
    const entry = { method: request.method ?? 'GET', key, verb, isSigned }
    this.log.push(entry)
    const fault = this.fault(entry)
    if (fault === 'fail') {
      request.resume()
      return answerError(response, 503, 'SlowDown')
    }
    if (fault === 'stall') {
      request.pause()
      request.socket.once('close', () => response.destroy())
      return
    }
    if (isSigned) {
      url.host = request.headers.host ?? ''
      const refusal = refuseUrl(url, request.headers.authorization)
      if (refusal !== null) return answerError(response, refusal.status, refusal.code ?? 'Error')
    }
    const body = await readBody(request, fault === 'truncate' ? 0.5 : 1)
    if (fault === 'truncate' && body === null) return void request.socket.destroy()
    const answer = this.#perform(entry, url, body ?? Buffer.alloc(0), request.headers)
    if (fault === 'lose') return void request.socket.destroy()
    if (answer.status >= 400) return answerError(response, answer.status, answer.code ?? 'Error', request.method === 'HEAD')
    const headers = { ...answer.headers, 'content-length': String(answer.length ?? answer.body.length) }
    response.writeHead(answer.status, headers)
    if (fault === 'truncate') {
      response.write(answer.body.subarray(0, answer.body.length >> 1), () => request.socket.destroy())
      return
    }
    response.end(request.method === 'HEAD' ? undefined : answer.body)
  }

  #perform(request: S3Request, url: URL, body: Buffer, headers: http.IncomingHttpHeaders): Answer {
    const upload = this.#uploads.get(url.searchParams.get('uploadId') ?? '')
    switch (request.verb) {
      case 'bucket':
        return xml('<Result/>')
      case 'put': {
        if (headers['if-none-match'] === '*' && this.keys.has(request.key)) return error(412, 'PreconditionFailed')
        const md5 = headers['content-md5']
        if (md5 !== undefined && createHash('md5').update(body).digest('base64') !== md5) return error(400, 'BadDigest')
        this.keys.set(request.key, body)
        return { status: 200, headers: { etag: etag(body) }, body: Buffer.alloc(0) }
      }
      case 'get':
      case 'head':
        return this.#read(request, headers.range, url.searchParams.get('response-content-type'))
      case 'delete':
        this.keys.delete(request.key)
        return { status: 204, headers: {}, body: Buffer.alloc(0) }
      case 'list':
        return this.#list(url.searchParams)
      case 'start': {
        const id = randomUUID()
        this.#uploads.set(id, { key: request.key, parts: new Map() })
        return xml(`<InitiateMultipartUploadResult><Key>${request.key}</Key><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`)
      }
      case 'part':
        if (upload === undefined) return error(404, 'NoSuchUpload')
        upload.parts.set(Number(url.searchParams.get('partNumber')), body)
        return { status: 200, headers: { etag: etag(body) }, body: Buffer.alloc(0) }
      case 'complete': {
        if (upload === undefined) return error(404, 'NoSuchUpload')
        const parts = [...upload.parts].sort(([a], [b]) => a - b).map(([, bytes]) => bytes)
        this.keys.set(upload.key, Buffer.concat(parts))
        this.#uploads.delete(url.searchParams.get('uploadId') ?? '')
        return xml(`<CompleteMultipartUploadResult><Key>${upload.key}</Key><ETag>"whole"</ETag></CompleteMultipartUploadResult>`)
      }
      case 'abort':
        this.#uploads.delete(url.searchParams.get('uploadId') ?? '')
        return upload === undefined ? error(404, 'NoSuchUpload') : { status: 204, headers: {}, body: Buffer.alloc(0) }
    }
  }

  #read(request: S3Request, range: string | undefined, type: string | null): Answer {
    const value = this.keys.get(request.key)
    if (value === undefined) return error(404, 'NoSuchKey')
    const headers = { etag: etag(value), 'accept-ranges': 'bytes', ...(type === null ? {} : { 'content-type': type }) }
    if (request.verb === 'head') return { status: 200, headers, body: Buffer.alloc(0), length: value.length }
    const [, from = '', to = ''] = /^bytes=(\d*)-(\d*)$/.exec(range ?? '') ?? []
    if (range === undefined) return { status: 200, headers, body: value }
    const start = from === '' ? Math.max(0, value.length - Number(to)) : Number(from)
    const end = from === '' || to === '' ? value.length : Math.min(value.length, Number(to) + 1)
    if (start >= value.length) return error(416, 'InvalidRange')
    return {
      status: 206,
      headers: { ...headers, 'content-range': `bytes ${start}-${end - 1}/${value.length}` },
      body: value.subarray(start, end),
    }
  }

  #list(query: URLSearchParams): Answer {
    if (query.has('uploads')) {
      const open = [...this.#uploads].map(([id, { key }]) => `<Upload><Key>${key}</Key><UploadId>${id}</UploadId></Upload>`)
      return xml(`<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>${open.join('')}</ListMultipartUploadsResult>`)
    }
    const found = [...this.keys].filter(([key]) => key.startsWith(query.get('prefix') ?? '')).sort(([a], [b]) => (a < b ? -1 : 1))
    const contents = found.map(([key, bytes]) => `<Contents><Key>${key}</Key><Size>${bytes.length}</Size></Contents>`)
    return xml(
      `<ListBucketResult><IsTruncated>false</IsTruncated><KeyCount>${found.length}</KeyCount>${contents.join('')}</ListBucketResult>`,
    )
  }
}

/** Why a signed URL isn't answered, as S3 has it; null: it is. */
function refuseUrl(url: URL, authorization: string | undefined): Answer | null {
  if (authorization !== undefined) return error(400, 'InvalidArgument') // one way to authenticate, not two
  const { searchParams: query } = url
  const [day = '', time = ''] = (query.get('X-Amz-Date') ?? '').split('T')
  const at = new Date(`${day.replace(/(....)(..)/, '$1-$2-')}T${time.replace(/(..)(..)/, '$1:$2:')}`)
  const lifetimeS = Number(query.get('X-Amz-Expires'))
  if (!(Date.now() < at.getTime() + lifetimeS * 1000)) return error(403, 'AccessDenied')
  const answer = Object.fromEntries([...query].filter(([name]) => !name.startsWith('X-Amz-')))
  const right = new URL(signGet(credentials, { url: new URL(url.pathname, url), at, lifetimeS, answer }))
  return right.searchParams.get('X-Amz-Signature') === query.get('X-Amz-Signature') ? null : error(403, 'SignatureDoesNotMatch')
}

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  readonly code?: string
  /** What Content-Length says where there is no body (HEAD). */
  readonly length?: number
}

function verbOf(method: string, key: string, query: URLSearchParams): S3Request['verb'] {
  if (key === '') return method === 'GET' && (query.has('list-type') || query.has('uploads')) ? 'list' : 'bucket'
  if (method === 'POST') return query.has('uploads') ? 'start' : 'complete'
  if (method === 'PUT') return query.has('partNumber') ? 'part' : 'put'
  if (method === 'DELETE') return query.has('uploadId') ? 'abort' : 'delete'
  return method === 'HEAD' ? 'head' : 'get'
}

/** The whole body; null where only a part of it was to be read and there was a body. */
async function readBody(request: http.IncomingMessage, share: number): Promise<Buffer | null> {
  const length = Number(request.headers['content-length'] ?? 0)
  const chunks: Buffer[] = []
  let read = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    read += chunk.length
    if (share < 1 && read >= length * share) return null
  }
  return Buffer.concat(chunks)
}

const etag = (bytes: Buffer): string => `"${createHash('md5').update(bytes).digest('hex')}"`
const error = (status: number, code: string): Answer => ({ status, headers: {}, body: Buffer.alloc(0), code })
const xml = (text: string): Answer => ({
  status: 200,
  headers: { 'content-type': 'application/xml' },
  body: Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>${text}`),
})

function answerError(response: http.ServerResponse, status: number, code: string, isHead = false): void {
  const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message></Message></Error>`
  response.writeHead(status, { 'content-type': 'application/xml', 'content-length': String(isHead ? 0 : body.length) })
  response.end(isHead ? undefined : body)
}
