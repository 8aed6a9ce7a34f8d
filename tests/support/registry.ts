// The server's registry in this process, asked by plain HTTP, and what is pushed to it.
import { createHash } from 'node:crypto'
import { makeAccount, type TestAccount } from './accounts.ts'
import { type FacesOptions, openFaces, type TestFaces } from './faces.ts'

export const ociManifest = 'application/vnd.oci.image.manifest.v1+json'
export const ociIndex = 'application/vnd.oci.image.index.v1+json'

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly bytes: Buffer
  /** Of JSON. */
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into whatever came
  readonly json: any
  /** The protocol's code of the first error; undefined where there is none. */
  readonly code: string | undefined
}

export interface Asked {
  /** The caller; null: nobody. Olive without it. */
  readonly as?: TestAccount | null
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array | string | ReadableStream<Uint8Array>
}

export interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

export function digestText(bytes: Uint8Array | string, algorithm: 'sha256' | 'sha512' = 'sha256'): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`
}

export function descriptorOf(bytes: Uint8Array | string, mediaType: string, algorithm: 'sha256' | 'sha512' = 'sha256'): Descriptor {
  return { mediaType, digest: digestText(bytes, algorithm), size: Buffer.byteLength(bytes) }
}

export class TestRegistry {
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

  static async open(options: Omit<FacesOptions, 'isWhole'> = {}): Promise<TestRegistry> {
    const faces = await openFaces({ isWhole: true, ...options })
    const url = await faces.listener.listen({ host: '127.0.0.1', port: 0 })
    const [olive, sam] = [await makeAccount(faces.db, 'olive'), await makeAccount(faces.db, 'sam')]
    return new TestRegistry(faces, url, olive, sam)
  }

  /** `path` stands behind /v2/, or is a whole one as Location has it. */
  async ask(method: string, path: string, { as = this.olive, headers = {}, body }: Asked = {}): Promise<Answer> {
    const login = as === null ? {} : { authorization: `Basic ${Buffer.from(`${as.login}:${as.token}`).toString('base64')}` }
    const stream = body instanceof ReadableStream ? { duplex: 'half' as const } : {}
    const answer = await fetch(`${this.url}${path.startsWith('/') ? path : `/v2/${path}`}`, {
      method,
      headers: { ...login, ...headers },
      ...(body === undefined ? {} : { body: body as Uint8Array<ArrayBuffer> }),
      ...stream,
    })
    const bytes = Buffer.from(await answer.arrayBuffer())
    const isJson = /json/.test(answer.headers.get('content-type') ?? '') && bytes.length > 0
    const json = isJson ? (JSON.parse(bytes.toString()) as { errors?: { code: string }[] }) : null
    return { status: answer.status, headers: answer.headers, bytes, json, code: json?.errors?.[0]?.code }
  }

  /** In one request. */
  async pushBlob(name: string, bytes: Uint8Array | string, as: TestAccount = this.olive): Promise<string> {
    const digest = digestText(bytes)
    const answer = await this.ask('POST', `${name}/blobs/uploads/?digest=${digest}`, { as, body: bytes })
    if (answer.status !== 201) throw new Error(`a blob was answered with ${answer.status} ${answer.bytes.toString()}`)
    return digest
  }

  async putManifest(name: string, reference: string, manifest: object | string, asked: Asked = {}): Promise<Answer> {
    const body = typeof manifest === 'string' ? manifest : JSON.stringify(manifest)
    const type = (JSON.parse(body) as { mediaType?: string }).mediaType
    const headers = { ...(type === undefined ? {} : { 'content-type': type }), ...asked.headers }
    return this.ask('PUT', `${name}/manifests/${reference}`, { ...asked, headers, body })
  }

  /** An image of one small layer, with its blobs. */
  async pushImage(name: string, tag: string, more: object = {}): Promise<Descriptor> {
    const layer = `layer of ${name} ${tag}`
    await this.pushBlob(name, '{}')
    await this.pushBlob(name, layer)
    const manifest = imageOf('{}', [layer], more)
    const answer = await this.putManifest(name, tag, manifest)
    if (answer.status !== 201) throw new Error(`a manifest was answered with ${answer.status} ${answer.bytes.toString()}`)
    return descriptorOf(JSON.stringify(manifest), ociManifest)
  }

  async begin(name: string): Promise<string> {
    const answer = await this.ask('POST', `${name}/blobs/uploads/`)
    if (answer.status !== 202) throw new Error(`an upload was answered with ${answer.status} ${answer.bytes.toString()}`)
    return answer.headers.get('location') as string
  }

  close(): Promise<void> {
    return this.faces.close()
  }
}

export function imageOf(config: string, layers: readonly (string | Uint8Array)[], more: object = {}): object {
  return {
    schemaVersion: 2,
    mediaType: ociManifest,
    config: descriptorOf(config, 'application/vnd.oci.image.config.v1+json'),
    layers: layers.map((layer) => descriptorOf(layer, 'application/vnd.oci.image.layer.v1.tar')),
    ...more,
  }
}

export function indexOf(manifests: readonly Descriptor[], more: object = {}): object {
  return { schemaVersion: 2, mediaType: ociIndex, manifests, ...more }
}
