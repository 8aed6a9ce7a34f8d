// A client of one registry: manifests, blobs, lists of tags and referrers, read only. What it gives is as the upstream sent it: digests of
// manifests are checked here, those of blobs by whoever reads them to their end.
import { createHash } from 'node:crypto'
import type { OutboundAnswer } from '../../../http/index.ts'
import {
  ask,
  type ClientParts,
  failed,
  failureOf,
  limitedBody,
  openBody,
  type OpenBody,
  type Outcome,
  type Question,
  sizeIn,
  type UpstreamAddress,
  withDeadline,
} from '../../../packages/index.ts'
import { Authorization } from './authorization.ts'

export interface FetchedManifest {
  readonly bytes: Uint8Array
  readonly mediaType: string
  /** Of the bytes, by the algorithm that was asked for, or SHA-256. */
  readonly digest: string
}

/** Of a manifest that was only asked for. */
export interface ManifestFacts {
  /** Null: the upstream doesn't say. */
  readonly digest: string | null
}

export const manifestBytes = 4 << 20
const timeoutMs = 30_000
const mostPages = 100
const mostTags = 50_000
const pageBytes = 8 << 20
const tagPattern = /^\w[\w.-]{0,127}$/
const digestPattern = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/

/** In the order in which this is wanted: what is of a new kind is named by the index or by the caller's digest, whatever it is. */
const manifestTypes = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
  '*/*;q=0.1',
].join(', ')

/** @param name the upstream's own; a token is for it */
type Asked = Omit<Question, 'signal' | 'hearing' | 'scope'> & { readonly name: string }

/** Of one upstream; lives as long as it is declared as it is. */
export class RegistryClient {
  readonly #parts: ClientParts
  readonly #address: UpstreamAddress
  readonly #authorization: Authorization

  constructor(parts: ClientParts, address: UpstreamAddress) {
    this.#parts = parts
    this.#address = address
    this.#authorization = new Authorization(parts, address)
  }

  /** @param reference a tag or a digest; by digest, other bytes are a failure */
  async manifest(name: string, reference: string): Promise<Outcome<FetchedManifest>> {
    return await this.#asked(
      { method: 'GET', name, path: `manifests/${reference}`, headers: { accept: manifestTypes } },
      async (answer) => {
        const bytes = answer.status === 200 ? await limitedBody(answer, manifestBytes) : null
        if (bytes === null) return failed('wrong', `its manifest has more than ${manifestBytes >> 20} MiB, or status ${answer.status}`)
        const [algorithm = ''] = digestPattern.test(reference) ? reference.split(':') : ['sha256']
        const digest = `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`
        const promised = digestPattern.test(reference) ? reference : digestIn(answer, algorithm)
        if (promised !== null && promised !== digest) return failed('wrong', `its manifest has the digest ${digest}, not ${promised}`)
        const mediaType = (answer.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
        return { kind: 'found', value: { bytes, mediaType, digest } }
      },
    )
  }

  async manifestFacts(name: string, reference: string): Promise<Outcome<ManifestFacts>> {
    return await this.#asked(
      { method: 'HEAD', name, path: `manifests/${reference}`, headers: { accept: manifestTypes } },
      async (answer) => {
        if (answer.status !== 200) return failed('wrong', `it answers ${answer.status}`)
        return { kind: 'found', value: { digest: digestIn(answer, null) } }
      },
    )
  }

  async blobSize(name: string, digest: string): Promise<Outcome<number | null>> {
    return await this.#asked({ method: 'HEAD', name, path: `blobs/${digest}`, headers: {} }, async (answer) => {
      if (answer.status !== 200) return failed('wrong', `it answers ${answer.status}`)
      return { kind: 'found', value: sizeIn(answer.headers['content-length']) }
    })
  }

  /** @param from where to begin, if the upstream can */
  async openBlob(name: string, digest: string, from: number, signal: AbortSignal): Promise<Outcome<OpenBody>> {
    return await openBody(this.#asking, this.#question({ method: 'GET', name, path: `blobs/${digest}`, headers: {} }), from, signal)
  }

  /** All of them, sorted. */
  async tags(name: string): Promise<Outcome<readonly string[]>> {
    const found = new Set<string>()
    let query = 'n=1000'
    for (let pages = 0; pages < mostPages; pages++) {
      const page = await this.#asked({ method: 'GET', name, path: `tags/list?${query}`, headers: { accept: 'application/json' } }, pageOf)
      if (page.kind !== 'found') return page
      for (const tag of page.value.tags) found.add(tag)
      if (page.value.next === null || page.value.next === query || found.size > mostTags) break
      query = page.value.next
    }
    return { kind: 'found', value: [...found].slice(0, mostTags).sort() }
  }

  /** The index as it came: its descriptors are the caller's to judge. `missing`, too, where the upstream doesn't know of referrers. */
  async referrers(name: string, digest: string): Promise<Outcome<Uint8Array>> {
    const accept = 'application/vnd.oci.image.index.v1+json'
    return await this.#asked({ method: 'GET', name, path: `referrers/${digest}`, headers: { accept } }, async (answer) => {
      const bytes = await limitedBody(answer, manifestBytes)
      return bytes === null ? failed('wrong', 'its list of referrers is too long') : { kind: 'found', value: bytes }
    })
  }

  get #asking() {
    return { ...this.#parts, address: this.#address, authorization: this.#authorization }
  }

  #question({ name, path, ...question }: Asked) {
    return { ...question, scope: `repository:${name}:pull`, path: `/v2/${name}/${path}` }
  }

  /** A short answer, read within the time for it. */
  async #asked<T>(question: Asked, read: (answer: OutboundAnswer) => Promise<Outcome<T>>): Promise<Outcome<T>> {
    const hearing = { isHeard: false }
    try {
      return await withDeadline(new AbortController().signal, timeoutMs, async (signal) => {
        const asked = await ask(this.#asking, { ...this.#question(question), signal, hearing })
        if (asked.kind !== 'found') return asked
        try {
          return await read(asked.value)
        } finally {
          asked.value.drop()
        }
      })
    } catch (error) {
      return failureOf(error, hearing.isHeard)
    }
  }
}

function digestIn({ headers }: OutboundAnswer, algorithm: string | null): string | null {
  const said = headers['docker-content-digest'] ?? ''
  return digestPattern.test(said) && (algorithm === null || said.startsWith(`${algorithm}:`)) ? said : null
}

async function pageOf(answer: OutboundAnswer): Promise<Outcome<{ readonly tags: readonly string[]; readonly next: string | null }>> {
  const bytes = await limitedBody(answer, pageBytes)
  let parsed: unknown = null
  try {
    parsed = bytes && JSON.parse(Buffer.from(bytes).toString('utf8'))
  } catch {
    // told below
  }
  const tags = (parsed as { tags?: unknown } | null)?.tags ?? []
  if (parsed === null || !Array.isArray(tags)) return failed('wrong', 'its list of tags is none')
  const link = /<([^<>]*)>\s*;\s*rel="?next"?/.exec(answer.headers['link'] ?? '')?.[1]
  // where it leads doesn't count: only what to ask for next
  const next = link !== undefined && URL.canParse(link, 'http://page.invalid') ? new URL(link, 'http://page.invalid').search.slice(1) : ''
  const good = tags.filter((tag): tag is string => typeof tag === 'string' && tagPattern.test(tag))
  return { kind: 'found', value: { tags: good, next: next === '' ? null : next } }
}
