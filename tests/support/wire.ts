// Speaks Smart HTTP by hand, for requests that no git client would send. Written apart from src/git/format on purpose: a second opinion.
// gitprotocol-common(5), gitprotocol-pack(5), gitprotocol-http(5).
import http from 'node:http'

export const zeroId = '0'.repeat(40)

/** One pkt-line. */
export function pkt(text: string | Uint8Array): Buffer {
  const bytes = typeof text === 'string' ? Buffer.from(text) : Buffer.from(text)
  return Buffer.concat([Buffer.from((bytes.length + 4).toString(16).padStart(4, '0')), bytes])
}

export const flush = Buffer.from('0000')
export const delimiter = Buffer.from('0001')

/** The payloads of the pkt-lines in order; flush, delimiter and response-end are the strings '0000', '0001', '0002'. */
export function readPkts(bytes: Uint8Array): (Buffer | string)[] {
  const buffer = Buffer.from(bytes)
  const out: (Buffer | string)[] = []
  for (let at = 0; at < buffer.length; ) {
    const length = Number.parseInt(buffer.subarray(at, at + 4).toString('latin1'), 16)
    if (Number.isNaN(length)) throw new Error(`no pkt-line at ${at}: ${buffer.subarray(at, at + 80).toString('latin1')}`)
    if (length < 4) {
      out.push(buffer.subarray(at, at + 4).toString('latin1'))
      at += 4
    } else {
      out.push(buffer.subarray(at + 4, at + length))
      at += length
    }
  }
  return out
}

export interface WireAnswer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: Buffer
}

export interface WireRequest {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  /** Sends the body in chunks of this size, without Content-Length. */
  readonly chunkBytes?: number
  readonly timeoutMs?: number
}

/** One request whose path is sent exactly as given (no normalisation of `..`), credentials taken from the URL. */
export function send(url: string, path: string, request: WireRequest = {}): Promise<WireAnswer> {
  const base = new URL(url)
  const headers: Record<string, string> = { ...request.headers }
  if (base.username !== '' && headers.authorization === undefined) {
    headers.authorization = `Basic ${Buffer.from(`${base.username}:${base.password}`).toString('base64')}`
  }
  if (request.body !== undefined && request.chunkBytes === undefined) headers['content-length'] = String(request.body.length)
  return new Promise((resolve, reject) => {
    const out = http.request(
      {
        host: base.hostname,
        port: base.port,
        path,
        method: request.method ?? 'GET',
        headers,
        agent: false,
        timeout: request.timeoutMs ?? 60_000,
      },
      (answer) => {
        const chunks: Buffer[] = []
        answer.on('data', (chunk: Buffer) => chunks.push(chunk))
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) }))
        answer.on('error', reject)
      },
    )
    let answered = false
    out.on('response', () => {
      answered = true
    })
    out.on('error', (error) => {
      if (!answered) reject(error) // the server may answer and close before it has read all
    })
    out.on('timeout', () => out.destroy(new Error('timed out')))
    if (request.body !== undefined && request.chunkBytes !== undefined) {
      for (let at = 0; at < request.body.length; at += request.chunkBytes) out.write(request.body.subarray(at, at + request.chunkBytes))
    } else if (request.body !== undefined) out.write(request.body)
    out.end()
  })
}

export interface RefCommand {
  readonly old: string
  readonly new: string
  readonly ref: string
}

/** The body of a push: commands, flush, pack. */
export function pushBody(commands: readonly RefCommand[], pack: Uint8Array, capabilities: string): Buffer {
  const lines = commands.map((command, n) => pkt(`${command.old} ${command.new} ${command.ref}${n === 0 ? `\0 ${capabilities}` : ''}`))
  return Buffer.concat([...lines, flush, pack])
}

export interface PushReport extends WireAnswer {
  /** What stands after `unpack `; null without a report. */
  readonly unpack: string | null
  /** For each ref `ok` or the reason of its refusal. */
  readonly refs: ReadonlyMap<string, string>
  /** Text of side-band 2 (progress) and 3 (fatal), or the `ERR` line. */
  readonly text: string
}

/** Pushes by hand to `/OWNER/NAME.git/git-receive-pack`. */
export async function push(
  repositoryUrl: string,
  commands: readonly RefCommand[],
  pack: Uint8Array,
  options: WireRequest & { readonly capabilities?: string } = {},
): Promise<PushReport> {
  const capabilities = options.capabilities ?? 'report-status side-band-64k agent=wire/1'
  const answer = await send(repositoryUrl, `${new URL(repositoryUrl).pathname}/git-receive-pack`, {
    method: 'POST',
    ...options,
    headers: { 'content-type': 'application/x-git-receive-pack-request', ...options.headers },
    body: options.body ?? pushBody(commands, pack, capabilities),
  })
  return { ...answer, ...readReport(answer, capabilities.includes('side-band-64k')) }
}

/** Reads what receive-pack answered, with or without side bands. */
export function readReport(answer: WireAnswer, banded: boolean): Pick<PushReport, 'unpack' | 'refs' | 'text'> {
  const refs = new Map<string, string>()
  if (answer.status !== 200) return { unpack: null, refs, text: answer.body.toString() }
  let text = ''
  const report: Buffer[] = []
  for (const line of readPkts(answer.body)) {
    if (typeof line === 'string') continue
    if (line.subarray(0, 4).toString() === 'ERR ') text += line.toString()
    else if (!banded) report.push(pkt(line))
    else if (line[0] === 1) report.push(line.subarray(1))
    else text += line.subarray(1).toString()
  }
  let unpack: string | null = null
  for (const line of readPkts(Buffer.concat(report))) {
    if (typeof line === 'string') continue
    const words = line.toString().replace(/\n$/, '')
    if (words.startsWith('unpack ')) unpack = words.slice(7)
    else if (words.startsWith('ok ')) refs.set(words.slice(3), 'ok')
    else if (words.startsWith('ng ')) {
      const space = words.indexOf(' ', 3)
      refs.set(words.slice(3, space), words.slice(space + 1))
    }
  }
  return { unpack, refs, text }
}

/** The refs that `info/refs` advertises for a service (protocol v0): name → id, without capabilities. */
export async function advertisedRefs(repositoryUrl: string, service = 'git-receive-pack'): Promise<Map<string, string>> {
  const answer = await send(repositoryUrl, `${new URL(repositoryUrl).pathname}/info/refs?service=${service}`)
  if (answer.status !== 200) throw new Error(`info/refs: ${answer.status} ${answer.body.toString()}`)
  const refs = new Map<string, string>()
  for (const line of readPkts(answer.body)) {
    if (typeof line === 'string' || line[0] === 0x23) continue
    const [words = ''] = line.toString().split('\0')
    const [id = '', name = ''] = words.trim().split(' ')
    if (name !== 'capabilities^{}') refs.set(name, id)
  }
  return refs
}
