// What one client does, on and on, in an order that a seed gives: images of layers that all clients have in common, indexes, signatures, tags that move and go,
// things that are brought and left. It knows what must be there, and looks.
import { setTimeout as sleep } from 'node:timers/promises'
import { seededBytes, SeededRandom } from '../random.ts'
import { Failed, type Layer, layerOf, type RegistryClient, type Tally } from './client.ts'

const imageType = 'application/vnd.oci.image.manifest.v1+json'
const indexType = 'application/vnd.oci.image.index.v1+json'
const layerType = 'application/vnd.oci.image.layer.v1.tar'
const configType = 'application/vnd.oci.image.config.v1+json'

export const packages = ['admin/a', 'admin/b', 'admin/c', 'admin/d']

/** Layers that everybody uses; most of them small, some beyond what is kept whole. */
export function commonLayers(seed: number): readonly Layer[] {
  const random = new SeededRandom(seed)
  return Array.from({ length: 150 }, (_, n) => {
    const sizeBytes = n % 8 === 0 ? 70_000 + random.below(200_000) : 100 + random.below(10_000)
    return layerOf(seededBytes(`${seed} layer ${n}`, sizeBytes))
  })
}

/** What a client has put somewhere and not taken away. */
interface Kept {
  readonly name: string
  readonly tag: string
  readonly manifest: Layer
  readonly manifests: readonly string[]
  readonly blobs: readonly string[]
  /** Nobody else can have the same. */
  readonly isOwn: boolean
}

export class Workload {
  readonly kept = new Map<string, Kept>()
  readonly #client: RegistryClient
  readonly #tally: Tally
  readonly #random: SeededRandom
  readonly #layers: readonly Layer[]
  readonly #number: number
  readonly #pauseMs: number
  #made = 0

  /** @param pauseMs between what a client was told and what it does with it, at most */
  constructor(client: RegistryClient, tally: Tally, options: { seed: number; number: number; layers: readonly Layer[]; pauseMs: number }) {
    this.#client = client
    this.#tally = tally
    this.#random = new SeededRandom(options.seed * 1000 + options.number)
    this.#layers = options.layers
    this.#number = options.number
    this.#pauseMs = options.pauseMs
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const [what, act] = this.#choose()
      this.#client.begin()
      try {
        await act()
        this.#tally.count(what)
      } catch (error) {
        if (!(error instanceof Failed)) throw error
      }
    }
  }

  /** Everything that must be there, to the last byte. */
  async checkAll(): Promise<void> {
    for (const kept of this.kept.values()) await this.#check(kept).catch(onlyFailed)
  }

  #choose(): readonly [string, () => Promise<void>] {
    const dice = this.#random.below(100)
    if (dice < 34) return ['images', () => this.#image(false)]
    if (dice < 44) return ['common images', () => this.#image(true)]
    if (dice < 52) return ['indexes', () => this.#index()]
    if (dice < 58) return ['signatures', () => this.#sign()]
    if (dice < 72) return ['tags deleted', () => this.#untag()]
    if (dice < 82) return ['manifests deleted', () => this.#remove()]
    if (dice < 90) return ['images pulled', () => this.#pull()]
    return ['things left', () => this.#leave()]
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#random.below(from.length)] as T
  }

  #pause(): Promise<void> {
    return sleep(this.#random.below(this.#pauseMs))
  }

  /** Under a tag of its own, of which it has few: most move, and what they led to goes. */
  async #image(isCommon: boolean): Promise<void> {
    const [name, tag] = [this.#pick(packages), this.#tag()]
    const built = await this.#build(name, isCommon)
    await this.#client.putManifest(name, tag, built.manifest, imageType)
    this.#keep({ ...built, name, tag, manifests: [], isOwn: !isCommon })
  }

  #tag(): string {
    return `c${this.#number}-${this.#random.below(3)}`
  }

  /** Brings what a manifest names; the manifest isn't pushed yet. */
  async #build(name: string, isCommon: boolean): Promise<{ manifest: Layer; blobs: string[] }> {
    const which = this.#random.below(50)
    const layers = isCommon ? [0, 1, 2].map((n) => this.#layers[(which * 3 + n) % this.#layers.length] as Layer) : this.#someLayers()
    const words = isCommon ? `common ${which}` : `client ${this.#number}, the ${this.#made++}th`
    const config = layerOf(Buffer.from(JSON.stringify({ words })))
    for (const layer of [...layers, config]) {
      await this.#client.bring(name, layer, this.#random.below(4), this.#pick(packages))
      await this.#pause()
    }
    const manifest = layerOf(Buffer.from(JSON.stringify(imageOf(config, layers))))
    return { manifest, blobs: [config, ...layers].map(({ digest }) => digest) }
  }

  #someLayers(): Layer[] {
    return [...new Set(Array.from({ length: 1 + this.#random.below(4) }, () => this.#pick(this.#layers)))]
  }

  async #index(): Promise<void> {
    const [name, tag] = [this.#pick(packages), this.#tag()]
    const children: { manifest: Layer; blobs: string[] }[] = []
    for (const isCommon of [false, true]) {
      const child = await this.#build(name, isCommon)
      await this.#client.putManifest(name, child.manifest.digest, child.manifest, imageType)
      await this.#pause()
      children.push(child)
    }
    const manifests = children.map(({ manifest }) => descriptor(manifest, imageType))
    const index = layerOf(
      Buffer.from(
        JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests, annotations: { by: `${this.#number} ${this.#made}` } }),
      ),
    )
    await this.#client.putManifest(name, tag, index, indexType)
    const blobs = children.flatMap((child) => child.blobs)
    this.#keep({ name, tag, manifest: index, manifests: manifests.map(({ digest }) => digest), blobs, isOwn: true })
  }

  /** What refers to one of its own images, and has no tag. */
  async #sign(): Promise<void> {
    const one = this.#one()
    if (one === undefined) return
    const empty = layerOf(Buffer.from('{}'))
    await this.#client.bring(one.name, empty, this.#random.below(4), this.#pick(packages))
    await this.#pause()
    const subject = descriptor(one.manifest, one.manifests.length > 0 ? indexType : imageType)
    const signature = layerOf(
      Buffer.from(
        JSON.stringify({
          ...imageOf(empty, [empty]),
          artifactType: 'application/x-signature',
          subject,
          annotations: { n: `${this.#number} ${this.#made++}` },
        }),
      ),
    )
    await this.#client.putManifest(one.name, signature.digest, signature, imageType)
    this.#keep({ ...one, manifests: [...one.manifests, signature.digest], blobs: [...one.blobs, empty.digest] })
  }

  async #untag(): Promise<void> {
    const one = this.#one()
    if (one === undefined) return
    await this.#client.ask('DELETE', `${one.name}/manifests/${one.tag}`, [202])
    this.kept.delete(`${one.name} ${one.tag}`)
  }

  /** With its tag; what refers to it goes with it in the end, and what it names. */
  async #remove(): Promise<void> {
    const one = this.#one()
    if (one === undefined || !one.isOwn) return
    await this.#client.ask('DELETE', `${one.name}/manifests/${one.manifest.digest}`, [202])
    this.kept.delete(`${one.name} ${one.tag}`)
  }

  async #pull(): Promise<void> {
    const one = this.#one()
    if (one !== undefined) await this.#check(one)
  }

  async #check({ name, tag, manifest, manifests, blobs }: Kept): Promise<void> {
    await this.#client.check(name, 'manifests', tag, manifest.digest)
    for (const digest of manifests) await this.#client.check(name, 'manifests', digest, digest)
    for (const digest of new Set(blobs)) await this.#client.check(name, 'blobs', digest, digest)
  }

  /** Brought and never named, begun and given up, deleted again. */
  async #leave(): Promise<void> {
    const name = this.#pick(packages)
    const blob = layerOf(seededBytes(`${this.#number} left ${this.#made++}`, 50 + this.#random.below(2000)))
    const way = this.#random.below(4)
    if (way === 3) {
      const begun = await this.#client.ask('POST', `${name}/blobs/uploads/`, [202])
      const place = begun.headers.get('location') ?? ''
      const { headers } = await this.#client.ask('PATCH', place, [202], { body: blob.bytes, type: 'application/octet-stream' })
      await this.#client.ask('DELETE', headers.get('location') ?? place, [204])
      return
    }
    await this.#client.bring(name, blob, way, this.#pick(packages))
    if (way === 2) await this.#client.ask('DELETE', `${name}/blobs/${blob.digest}`, [202])
  }

  #keep(one: Kept): void {
    this.kept.set(`${one.name} ${one.tag}`, one)
  }

  #one(): Kept | undefined {
    return this.kept.size === 0 ? undefined : this.#pick([...this.kept.values()])
  }
}

function imageOf(config: Layer, layers: readonly Layer[]) {
  return {
    schemaVersion: 2,
    mediaType: imageType,
    config: descriptor(config, configType),
    layers: layers.map((layer) => descriptor(layer, layerType)),
  }
}

function descriptor({ digest, bytes }: Layer, mediaType: string) {
  return { mediaType, digest, size: bytes.length }
}

function onlyFailed(error: unknown): void {
  if (!(error instanceof Failed)) throw error
}
