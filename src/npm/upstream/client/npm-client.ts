// A client of one npm registry: documents, tarballs, and what is asked of a registry as a whole. What it gives is as the upstream sent it.
import {
  type Authorizing,
  type ClientKind,
  type ClientParts,
  failed,
  failureOf,
  limitedBody,
  openAnswer,
  openBody,
  type OpenBody,
  type Outcome,
  type UpstreamAddress,
} from '../../../packages/index.ts'
import { isBelow } from '../format/places.ts'

export type DocumentForm = 'full' | 'abbreviated'

export interface FetchedDocument {
  /** As they came. */
  readonly bytes: Uint8Array
  readonly coding: 'identity' | 'gzip'
  /** Which it is, whatever was asked for. */
  readonly form: DocumentForm
  readonly etag: string | null
  readonly lastModified: string | null
}

export interface DocumentQuestion {
  readonly form: DocumentForm
  /** Of the one that is here. */
  readonly etag: string | null
  readonly lastModified: string | null
}

/** Of what comes, packed or not. */
const documentBytes = 64 << 20
const answerBytes = 4 << 20
const abbreviatedType = 'application/vnd.npm.install-v1+json'
const accepts = { full: 'application/json', abbreviated: `${abbreviatedType}; q=1.0, application/json; q=0.8, */*; q=0.1` }
/** As npm's own settings call it: a user of that name has a token as his password. */
const tokenUser = '_authToken'
const never = new AbortController().signal

export const npmClients: ClientKind<NpmClient> = {
  make: (parts, address, { url }) => new NpmClient(parts, address, url),
  nameThere: ({ path }, name) => (isBelow(path, name) ? name : null),
}

/** Of one upstream; lives as long as it is declared as it is. */
export class NpmClient {
  readonly #parts: ClientParts & { readonly address: UpstreamAddress; readonly authorization: Authorizing }
  /** `/path`, or empty. */
  readonly #prefix: string

  constructor(parts: ClientParts, address: UpstreamAddress, url: string) {
    this.#parts = { ...parts, address, authorization: authorizing(address) }
    this.#prefix = new URL(url).pathname.replace(/\/$/, '')
  }

  /** `same`: it is as it was. */
  async document(name: string, { form, etag, lastModified }: DocumentQuestion): Promise<Outcome<FetchedDocument | 'same'>> {
    const headers = {
      accept: accepts[form],
      'accept-encoding': 'gzip',
      ...(etag === null ? {} : { 'if-none-match': etag }),
      ...(etag === null && lastModified !== null ? { 'if-modified-since': lastModified } : {}),
    }
    const path = `${this.#prefix}/${encodeURIComponent(name).replace('%40', '@')}`
    try {
      const opened = await openAnswer(this.#parts, { method: 'GET', path, scope: '', headers }, never)
      if (opened.kind !== 'found') return opened
      const { status, headers: said, drop } = opened.value
      if (status === 304 && (etag !== null || lastModified !== null)) {
        drop()
        return { kind: 'found', value: 'same' }
      }
      const coding = said['content-encoding'] ?? 'identity'
      const bytes = status === 200 ? await limitedBody(opened.value, documentBytes) : null
      drop()
      if (bytes === null) return failed('wrong', `its document has more than ${documentBytes >> 20} MiB, or status ${status}`)
      if (coding !== 'identity' && coding !== 'gzip') return failed('wrong', `its document is packed as ${coding}, which was not asked for`)
      const isAbbreviated = form === 'abbreviated' && (said['content-type'] ?? '').toLowerCase().includes(abbreviatedType)
      const value = { bytes, coding, form: isAbbreviated ? 'abbreviated' : 'full', etag: said['etag'] ?? null } as const
      return { kind: 'found', value: { ...value, lastModified: said['last-modified'] ?? null } }
    } catch (error) {
      return failureOf(error)
    }
  }

  /** @param url as a document names it, resolved; @param from where to begin, if it can be */
  async openTarball(url: string, from: number, signal: AbortSignal): Promise<Outcome<OpenBody>> {
    try {
      return await openBody(this.#parts, { method: 'GET', path: url, scope: '', headers: { accept: '*/*' } }, from, signal)
    } catch (error) {
      signal.throwIfAborted()
      return failureOf(error)
    }
  }

  /** A short answer of the registry itself: JSON. @param body posted; null: it is only asked for */
  async ask(path: string, body: unknown): Promise<Outcome<unknown>> {
    const question = { path: `${this.#prefix}${path}`, scope: '' }
    const headers = { accept: 'application/json' }
    const asked =
      body === null
        ? ({ ...question, method: 'GET', headers } as const)
        : ({
            ...question,
            method: 'POST',
            headers: { ...headers, 'content-type': 'application/json' },
            body: Buffer.from(JSON.stringify(body)),
          } as const)
    try {
      const opened = await openAnswer(this.#parts, asked, AbortSignal.timeout(30_000))
      if (opened.kind !== 'found') return opened
      const bytes = await limitedBody(opened.value, answerBytes)
      opened.value.drop()
      if (bytes === null) return failed('wrong', 'its answer is too long')
      return { kind: 'found', value: JSON.parse(Buffer.from(bytes).toString('utf8')) as unknown }
    } catch (error) {
      if (error instanceof SyntaxError) return failed('wrong', 'its answer is no JSON')
      if (error instanceof DOMException && error.name === 'TimeoutError') return failed('unreachable', 'there was no answer in 30 s')
      return failureOf(error)
    }
  }
}

/** Registries of npm don't all ask who one is: to nobody some show that nothing is there. So what is declared is sent from the first request on. */
function authorizing({ credentials }: UpstreamAddress): Authorizing {
  const header =
    credentials === null
      ? null
      : credentials.username === tokenUser
        ? `Bearer ${credentials.password}`
        : `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`
  return {
    header: () => header,
    answer: async () =>
      failed('refused', header === null ? 'it wants credentials, and none are declared' : 'it refuses the declared credentials'),
  }
}
