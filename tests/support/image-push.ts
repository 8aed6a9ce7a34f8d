// Images pushed as a client does (distribution-spec, "Push"): blobs in one request each, then the manifest.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'

export const mediaTypes = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  gzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  zstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  tar: 'application/vnd.oci.image.layer.v1.tar',
} as const

export interface Pushed {
  readonly digest: string
  readonly size: number
  readonly mediaType: string
}

/** An image of a registry, pushed to by whoever has the token. */
export class ImagePush {
  readonly #base: string
  readonly #headers: Readonly<Record<string, string>>

  /** @param name `owner/image` */
  constructor(url: string, token: string, name: string) {
    this.#base = `${url}/v2/${name}`
    this.#headers = { authorization: `Bearer ${token}` }
  }

  async blob(bytes: Uint8Array, mediaType: string): Promise<Pushed> {
    const digest = digestOf(bytes)
    const begun = await this.#ask('POST', '/blobs/uploads/', 202)
    const place = new URL(begun.headers.get('location') ?? '', this.#base)
    place.searchParams.set('digest', digest)
    await this.#ask('PUT', place, 201, bytes, 'application/octet-stream')
    return { digest, size: bytes.length, mediaType }
  }

  /** @param reference a tag; its digest without one */
  async manifest(value: { readonly mediaType: string }, reference?: string): Promise<Pushed> {
    const bytes = Buffer.from(JSON.stringify(value))
    const digest = digestOf(bytes)
    await this.#ask('PUT', `/manifests/${reference ?? digest}`, 201, bytes, value.mediaType)
    return { digest, size: bytes.length, mediaType: value.mediaType }
  }

  /** An image with such layers, and a configuration that says how they came to be. */
  async image(
    layers: readonly { readonly bytes: Uint8Array; readonly mediaType?: string; readonly createdBy?: string }[],
    {
      tag,
      platform = { os: 'linux', architecture: 'amd64' },
    }: { readonly tag?: string; readonly platform?: Readonly<Record<string, string>> } = {},
  ): Promise<Pushed & { readonly layers: readonly Pushed[]; readonly config: Pushed }> {
    const pushed: Pushed[] = []
    for (const { bytes, mediaType = mediaTypes.tar } of layers) pushed.push(await this.blob(bytes, mediaType))
    const history = layers.map(({ createdBy = 'COPY . /' }) => ({ created: '2026-11-27T00:00:00Z', created_by: createdBy }))
    const values = { ...platform, rootfs: { type: 'layers', diff_ids: pushed.map(({ digest }) => digest) } }
    const said = { ...values, history: [...history, { created_by: 'CMD ["sh"]', empty_layer: true }] }
    const config = await this.blob(Buffer.from(JSON.stringify(said)), mediaTypes.config)
    const manifest = await this.manifest({ schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers: pushed } as never, tag)
    return { ...manifest, layers: pushed, config }
  }

  async pull(reference: string): Promise<void> {
    await this.#ask('GET', `/manifests/${reference}`, 200)
  }

  async #ask(method: string, path: string | URL, wanted: number, body?: Uint8Array, type?: string): Promise<Response> {
    const url = typeof path === 'string' ? `${this.#base}${path}` : path
    const headers = { ...this.#headers, accept: '*/*', ...(type === undefined ? {} : { 'content-type': type }) }
    const answer = await fetch(url, { method, headers, ...(body === undefined ? {} : { body: new Uint8Array(body) }) })
    if (answer.status !== wanted) assert.fail(`${method} ${String(url)}: ${answer.status} ${await answer.text()}`)
    if (method === 'GET') await answer.arrayBuffer()
    return answer
  }
}

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}
