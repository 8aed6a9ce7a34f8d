// A client of the registry as real ones are: it asks by HEAD what is there and leaves that out, mounts, uploads in several ways, and pushes the manifest last.
// Every answer that such a client would show its user as an error is kept as a fault.
import { createHash } from 'node:crypto'

export interface Fault {
  readonly client: number
  readonly what: string
  readonly status: number
  readonly text: string
}

/** What was asked and answered, together for all clients. */
export class Tally {
  readonly faults: Fault[] = []
  readonly counts = new Map<string, number>()
  requests = 0

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1)
  }
}

/** Of an operation that is given up, after its fault was noted. */
export class Failed extends Error {}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly bytes: Buffer
}

export interface Layer {
  readonly digest: string
  readonly bytes: Uint8Array
}

export function layerOf(bytes: Uint8Array): Layer {
  return { digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`, bytes }
}

export class RegistryClient {
  readonly #url: string
  readonly #authorization: string
  readonly #tally: Tally
  readonly #number: number
  readonly #promisedMs: number
  #begunMs = 0

  /** @param promisedMs what it was told holds so long */
  constructor(url: string, token: string, tally: Tally, { number, promisedMs }: { readonly number: number; readonly promisedMs: number }) {
    this.#url = url
    this.#authorization = `Basic ${Buffer.from(`stress:${token}`).toString('base64')}`
    this.#tally = tally
    this.#number = number
    this.#promisedMs = promisedMs
  }

  /** Of an operation: what it is told from now on must hold until its end. */
  begin(): void {
    this.#begunMs = performance.now()
  }

  /** @param path behind /v2/, or as Location has it. Throws Failed for any status but the expected ones. */
  async ask(
    method: string,
    path: string,
    expected: readonly number[],
    { body, type }: { readonly body?: Uint8Array; readonly type?: string } = {},
  ): Promise<Answer> {
    this.#tally.requests++
    const headers = { authorization: this.#authorization, ...(type === undefined ? {} : { 'content-type': type }) }
    const what = `${method} ${path.replace(/[0-9a-f]{56}\b/g, '…')}`
    let answer: Answer
    try {
      const response = await fetch(path.startsWith('/') ? `${this.#url}${path}` : `${this.#url}/v2/${path}`, {
        method,
        headers,
        ...(body === undefined ? {} : { body: body as Uint8Array<ArrayBuffer> }),
      })
      answer = { status: response.status, headers: response.headers, bytes: Buffer.from(await response.arrayBuffer()) }
    } catch (error) {
      throw this.fault(what, 0, String(error instanceof Error ? (error.cause ?? error) : error))
    }
    if (answer.status === 404 && method === 'PUT' && performance.now() - this.#begunMs > this.#promisedMs) {
      this.#tally.count('given up: slower than what was promised')
      throw new Failed(what)
    }
    if (!expected.includes(answer.status)) throw this.fault(what, answer.status, answer.bytes.toString().slice(0, 300))
    return answer
  }

  fault(what: string, status: number, text: string): Failed {
    this.#tally.faults.push({ client: this.#number, what, status, text })
    return new Failed(`${what}: ${status} ${text}`)
  }

  /** So that the image has it, without sending what it has already. @param way how it is sent, 0 to 3 */
  async bring(name: string, layer: Layer, way: number, from: string): Promise<void> {
    const head = await this.ask('HEAD', `${name}/blobs/${layer.digest}`, [200, 404])
    if (head.status === 200) return this.#tally.count('blobs left out')
    if (way === 0) {
      await this.ask('POST', `${name}/blobs/uploads/?digest=${layer.digest}`, [201], { body: layer.bytes })
      return this.#tally.count('blobs in one request')
    }
    const query = way === 1 ? '' : `?mount=${layer.digest}&from=${from}`
    const begun = await this.ask('POST', `${name}/blobs/uploads/${query}`, way === 1 ? [202] : [201, 202])
    if (begun.status === 201) return this.#tally.count('blobs mounted')
    const place = begun.headers.get('location') ?? ''
    const [rest, end] = way === 3 ? [new Uint8Array(), await this.#patch(place, layer.bytes)] : [layer.bytes, place]
    await this.ask('PUT', `${end}${end.includes('?') ? '&' : '?'}digest=${layer.digest}`, [201], rest.length === 0 ? {} : { body: rest })
    this.#tally.count('blobs uploaded')
  }

  async #patch(place: string, bytes: Uint8Array): Promise<string> {
    const answer = await this.ask('PATCH', place, [202], { body: bytes, type: 'application/octet-stream' })
    return answer.headers.get('location') ?? place
  }

  /** By tag or by its digest; a manifest that is there by its digest already is left out. */
  async putManifest(name: string, reference: string, manifest: Layer, type: string): Promise<void> {
    if (reference === manifest.digest) {
      const head = await this.ask('HEAD', `${name}/manifests/${reference}`, [200, 404])
      if (head.status === 200) return this.#tally.count('manifests left out')
    }
    await this.ask('PUT', `${name}/manifests/${reference}`, [201], { body: manifest.bytes, type })
    this.#tally.count('manifests pushed')
  }

  /** What stands there must be exactly that. */
  async check(name: string, kind: 'blobs' | 'manifests', reference: string, digest: string): Promise<void> {
    const answer = await this.ask('GET', `${name}/${kind}/${reference}`, [200])
    const got = layerOf(answer.bytes).digest
    if (got !== digest) throw this.fault(`GET ${name}/${kind}/${reference}`, 200, `bytes of ${got} instead of ${digest}`)
  }
}
