// Documents of upstreams, taken apart and put together in threads of their own: some have tens of MiB.
import { createHash } from 'node:crypto'
import type { MessagePort } from 'node:worker_threads'
import { brotliCompressSync, constants, gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { answerJob, InputError } from '../../base/index.ts'
import type { NpmName } from '../format/names.ts'
import {
  agedDocument,
  distLines,
  documentText,
  nextOfAge,
  parseDocument,
  reducedText,
  tagsText,
  type UpstreamDocument,
  versionDocument,
} from './format/document.ts'

/** Unpacked. */
const documentBytes = 64 << 20

export interface TakeJob {
  readonly name: string
  readonly bytes: Uint8Array
  readonly coding: 'identity' | 'gzip'
  readonly form: 'full' | 'abbreviated'
}

/** What is kept of a document: zstd. */
export interface TakenDocument {
  /** SHA-256 of the document as it came, unpacked. */
  readonly digest: Uint8Array
  readonly hasTime: boolean
  readonly whole: PackedDocument
  /** Of a full one: what abbreviated ones are made of. */
  readonly reduced: PackedDocument | null
}

export interface PackedDocument {
  readonly bytes: Uint8Array
  readonly sizeBytes: number
}

export interface RenderJob {
  readonly name: NpmName
  /** As it is kept. */
  readonly document: Uint8Array
  /** `tags`: version by tag alone. */
  readonly of: 'full' | 'abbreviated' | 'tags' | { readonly version: string }
  readonly coding: 'identity' | 'gzip' | 'br'
  readonly base: string
  /** Versions that were published later aren't shown; ms. Null: all are. */
  readonly before: number | null
}

export interface RenderedDocument {
  /** Null: no such version, or none that may be shown. */
  readonly bytes: Uint8Array | null
  readonly etag: string
  /** When one more version will have been published before `before`; null: no more will. */
  readonly nextAge: number | null
}

export type DistsJob = Pick<RenderJob, 'name' | 'document'>

/** InputError `bad-document`, `document-large`. */
export async function takeDocument({ name, bytes, coding, form }: TakeJob, port: MessagePort): Promise<void> {
  await answerJob(port, async (main) => {
    const text = coding === 'gzip' ? unpacked(bytes) : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    const document = parseDocument(text.toString('utf8'), name)
    const reduced = form === 'full' ? Buffer.from([...reducedText(document)].join('')) : null
    main.send({
      digest: createHash('sha256').update(text).digest(),
      hasTime: document.times !== null,
      whole: packedDocument(text),
      reduced: reduced === null ? null : packedDocument(reduced),
    } satisfies TakenDocument)
  })
}

export async function renderDocument(job: RenderJob, port: MessagePort): Promise<void> {
  await answerJob(port, async (main) => {
    const whole = keptDocument(job)
    const document = agedDocument(whole, job.before)
    const text = textOf(document, job)
    const bytes = text === null ? null : packed(Buffer.from(text), job.coding)
    const etag = bytes === null ? '' : `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 27)}"`
    main.send({ bytes, etag, nextAge: job.before === null ? null : nextOfAge(whole, job.before) } satisfies RenderedDocument)
  })
}

/** Answers with `distLines`. */
export async function listDists(job: DistsJob, port: MessagePort): Promise<void> {
  await answerJob(port, async (main) => main.send(distLines(keptDocument(job))))
}

function textOf(document: UpstreamDocument, { of, name, base }: RenderJob): string | null {
  if (typeof of !== 'string') return versionDocument(document, of.version, { form: 'full', name, base })
  if (document.versions.size === 0) return null
  if (of === 'tags') return tagsText(document)
  return [...documentText(document, { form: of, name, base })].join('')
}

function keptDocument({ document, name }: DistsJob): UpstreamDocument {
  return parseDocument(zstdDecompressSync(document, { maxOutputLength: documentBytes }).toString('utf8'), name.full)
}

function packedDocument(text: Uint8Array): PackedDocument {
  return { bytes: zstdCompressSync(text), sizeBytes: text.length }
}

/** As what is published here is packed (packing.ts). */
function packed(text: Buffer, coding: RenderJob['coding']): Uint8Array {
  if (coding === 'identity') return text
  return coding === 'gzip' ? gzipSync(text) : brotliCompressSync(text, { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } })
}

function unpacked(bytes: Uint8Array): Buffer {
  try {
    return gunzipSync(bytes, { maxOutputLength: documentBytes })
  } catch (cause) {
    const isLarge = cause instanceof RangeError
    throw new InputError(
      isLarge ? 'document-large' : 'bad-document',
      isLarge ? `its document has more than ${documentBytes >> 20} MiB` : 'its document is no gzip',
      { cause },
    )
  }
}
