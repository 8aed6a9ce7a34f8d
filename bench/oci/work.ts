// What clients do in the comparison: the operations of zot's own benchmark (zb), each timed as a whole as it does (a push is five requests, a pull six), and reads
// of manifests and tags alone.
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { RegistryClient, type RegistryAnswer } from './client.ts'
import type { Registry } from './contenders.ts'

export interface Blob {
  readonly bytes: Buffer
  readonly digest: string
}

export interface Image {
  readonly name: string
  readonly tag: string
}

/** What is pushed: one blob of each size, the same for all registries and all pushes of one run, as zb does it. */
export class Material {
  readonly #blobs = new Map<number, Blob>()
  readonly config: Blob = blobOf(
    Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', author: randomUUID(), rootfs: { type: 'layers', diff_ids: [] } })),
  )

  blob(mib: number): Blob {
    const known = this.#blobs.get(mib)
    if (known !== undefined) return known
    const made = blobOf(randomBytes(mib << 20))
    this.#blobs.set(mib, made)
    return made
  }
}

function blobOf(bytes: Buffer): Blob {
  return { bytes, digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}` }
}

export const manifestType = 'application/vnd.oci.image.manifest.v1+json'
const accepted = [`Accept: ${manifestType}`]

export function manifestOf(config: Blob, layer: Blob): Buffer {
  const described = ({ bytes, digest }: Blob, mediaType: string) => ({ mediaType, digest, size: bytes.length })
  return Buffer.from(
    JSON.stringify(
      {
        schemaVersion: 2,
        mediaType: manifestType,
        config: described(config, 'application/vnd.oci.image.config.v1+json'),
        layers: [described(layer, 'application/vnd.oci.image.layer.v1.tar')],
      },
      null,
      '\t',
    ),
  )
}

/** One client at work on one registry. */
export class Worker {
  readonly #client: RegistryClient
  readonly #registry: Registry
  readonly #material: Material

  constructor(registry: Registry, material: Material) {
    this.#registry = registry
    this.#material = material
    this.#client = new RegistryClient(registry.port, registry.authorization)
  }

  close(): void {
    this.#client.close()
  }

  async #must(status: number, what: string, answer: Promise<RegistryAnswer>): Promise<RegistryAnswer> {
    const got = await answer
    if (got.status === status) return got
    throw new Error(`${this.#registry.name}: ${what}: ${got.status} ${got.body.toString().slice(0, 300)}`)
  }

  /** Path and query of a Location. */
  #path(answer: RegistryAnswer): string {
    const location = answer.headers.get('location') ?? ''
    const url = new URL(location, 'http://127.0.0.1')
    return `${url.pathname}${url.search}`
  }

  async #upload(name: string, blob: Blob, isChunked: boolean): Promise<void> {
    const begun = await this.#must(202, 'POST upload', this.#client.send({ method: 'POST', path: `/v2/${name}/blobs/uploads/` }))
    let path = this.#path(begun)
    const headers = ['Content-Type: application/octet-stream']
    if (isChunked) {
      const range = `Content-Range: 0-${blob.bytes.length - 1}`
      const patch = this.#client.send({ method: 'PATCH', path, headers: [...headers, range], body: blob.bytes })
      path = this.#path(await this.#must(202, 'PATCH upload', patch))
    }
    const last = `${path}${path.includes('?') ? '&' : '?'}digest=${encodeURIComponent(blob.digest)}`
    await this.#must(
      201,
      'PUT upload',
      this.#client.send({ method: 'PUT', path: last, headers, ...(isChunked ? {} : { body: blob.bytes }) }),
    )
  }

  /** An image under a name of its own. */
  async push(mib: number, isChunked = false): Promise<Image> {
    const name = `${this.#registry.namespace}${randomUUID()}`
    return this.pushAs(name, `tag${mib}`, mib, isChunked)
  }

  async pushAs(name: string, tag: string, mib: number, isChunked = false): Promise<Image> {
    const blob = this.#material.blob(mib)
    await this.#upload(name, blob, isChunked)
    await this.#upload(name, this.#material.config, false)
    const body = manifestOf(this.#material.config, blob)
    const headers = [`Content-Type: ${manifestType}`]
    await this.#must(201, 'PUT manifest', this.#client.send({ method: 'PUT', path: `/v2/${name}/manifests/${tag}`, headers, body }))
    return { name, tag }
  }

  /** The manifest by tag, its config and its layer, each asked for by HEAD first. */
  async pull({ name, tag }: Image): Promise<void> {
    const manifest = await this.#twice(`/v2/${name}/manifests/${tag}`, accepted)
    const { config, layers } = JSON.parse(manifest.body.toString()) as {
      config: { digest: string }
      layers: { digest: string; size: number }[]
    }
    await this.#twice(`/v2/${name}/blobs/${config.digest}`)
    for (const layer of layers) {
      const got = await this.#twice(`/v2/${name}/blobs/${layer.digest}`)
      if (got.bodyBytes !== layer.size) throw new Error(`${this.#registry.name}: ${got.bodyBytes} bytes of ${layer.size}`)
    }
  }

  async #twice(path: string, headers: readonly string[] = []): Promise<RegistryAnswer> {
    await this.#must(200, `HEAD ${path}`, this.#client.send({ method: 'HEAD', path, headers }))
    return this.get(path, headers)
  }

  async get(path: string, headers: readonly string[] = accepted): Promise<RegistryAnswer> {
    return this.#must(200, `GET ${path}`, this.#client.send({ method: 'GET', path, headers }))
  }

  async head(path: string): Promise<RegistryAnswer> {
    return this.#must(200, `HEAD ${path}`, this.#client.send({ method: 'HEAD', path, headers: accepted }))
  }
}
