// Rows of blobs against the content that they stand for: each needs its content, and a reference that keeps it.
import type { Queries } from '../../db/index.ts'
import { holdRows, type KeptFinding, type KeptRows, looseRows } from '../../packages/index.ts'
import { digestText } from '../format/digests.ts'
import { ociReferences } from './references.ts'

export interface BlobFinding extends KeptFinding {
  readonly code: 'oci-content-missing' | 'oci-unheld'
  /** `OWNER/NAME` of the image. */
  readonly image: string
}

const blobs: KeptRows = { table: 'oci_blob', first: 'package_id', second: 'digest', references: ociReferences }

const missingAdvice = '`stemma fsck --rebuild` finds it where it lies in the bucket; else restore it from a backup, or push the image again'

/** Blobs whose content is not there, or that no reference keeps. Rows that go meanwhile are no findings. */
export async function* checkBlobs(queries: Queries): AsyncGenerator<BlobFinding, void, undefined> {
  for await (const { name, content, isStored, of: image } of looseRows(queries, blobs)) {
    const facts = { severity: 'error', image, content } as const
    const blob = `blob ${digestText(name as Buffer)} of the image ${image}`
    if (!isStored) yield { ...facts, code: 'oci-content-missing', message: `the ${blob} has no content`, advice: missingAdvice }
    else
      yield {
        ...facts,
        code: 'oci-unheld',
        message: `nothing keeps the content of the ${blob}`,
        advice: '`stemma fsck --rebuild` holds it again',
      }
  }
}

/** References of rows that lack theirs, where the content is there. How many. */
export function holdBlobs(queries: Queries): Promise<number> {
  return holdRows(queries, blobs)
}
