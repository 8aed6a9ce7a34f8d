// What an archive holds, opened or not, member by member, and single files out of an opened one, without making the archive again.
import type { Queries } from '../../db/index.ts'
import type { ContentRange, OpenContent } from '../content-store.ts'
import type { Digest } from '../digest.ts'
import { decodeList, hasBody, type PlacedEntry } from './format/file-list.ts'
import { Container, decodeForm, type OpenedForm } from './format/opened-form.ts'
import { findOpenedOrInside } from './opened-rows.ts'

export interface LayerParts {
  readonly queries: Queries
  readonly read: (digest: Digest, range: ContentRange, signal?: AbortSignal) => Promise<OpenContent | null>
}

/** Null where the content wasn't looked into yet, or is no archive. */
export async function layerFiles(parts: LayerParts, digest: Digest, signal?: AbortSignal): Promise<AsyncIterable<PlacedEntry> | null> {
  const list = await openLayerList(parts, digest, signal)
  return list === null ? null : decodeList(list.bytes)
}

/** The list as it is kept, for whoever decodes it elsewhere (`decodeList`). */
export async function openLayerList({ queries, read }: LayerParts, digest: Digest, signal?: AbortSignal): Promise<OpenContent | null> {
  const form = await findForm(queries, digest)
  if (form === null) return null
  return read(form.inner, { offset: form.bodyBytes + form.skeletonBytes, sizeBytes: form.listBytes }, signal)
}

/** Null where the content isn't opened, or the entry has no bytes of its own. RangeError for an entry of another archive. */
export async function openLayerFile(
  { queries, read }: LayerParts,
  digest: Digest,
  entry: Pick<PlacedEntry, 'type' | 'bodyAt' | 'bodyBytes'>,
  signal?: AbortSignal,
): Promise<OpenContent | null> {
  const form = await findForm(queries, digest)
  if (form === null || form.container === Container.listed || !hasBody(entry)) return null
  if (!(entry.bodyAt >= 0 && entry.bodyAt + entry.bodyBytes <= form.bodyBytes)) throw new RangeError('an entry of another archive')
  return read(form.inner, { offset: entry.bodyAt, sizeBytes: entry.bodyBytes }, signal)
}

async function findForm(queries: Queries, digest: Digest): Promise<OpenedForm | null> {
  const row = await findOpenedOrInside(queries, digest)
  if (row === null) return null
  const form = decodeForm(row.form)
  return form.isTar ? form : null
}
