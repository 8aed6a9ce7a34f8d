// What a check of the content store finds: one record for each thing that is wrong, the same for people, for --json and for the scrub.
import type { ContentReference } from '../content-store.ts'
import type { Digest } from '../digest.ts'

export type ContentFindingCode =
  | 'segment-missing'
  | 'segment-size'
  | 'segment-index'
  | 'segment-row'
  | 'block-damaged'
  | 'chunk-row'
  | 'recipe-damaged'
  | 'content-row'
  | 'content-damaged'
  | 'opened-row'
  | 'opened-damaged'
  | 'whole-missing'
  | 'whole-damaged'
  | 'whole-row'

/** What rests on what is wrong. */
export interface ContentDependents {
  /** The first ten, and how many there are. */
  readonly contents: readonly Digest[]
  readonly contentCount: number
  /** Who holds them: the first twenty, and how many. */
  readonly references: readonly (ContentReference & { readonly digest: Digest })[]
  readonly referenceCount: number
}

export interface ContentFinding extends ContentDependents {
  /** `error`: something can't be read, or will be lost. `warning`: nothing is lost; space or speed. */
  readonly severity: 'error' | 'warning'
  readonly code: ContentFindingCode
  /** One sentence. */
  readonly message: string
  readonly advice: string
  /** The bucket's key; null for what lies in PostgreSQL. */
  readonly key: string | null
  /** Id of the segment's row. */
  readonly segment: number | null
}

export const noContentDependents: ContentDependents = { contents: [], contentCount: 0, references: [], referenceCount: 0 }

const restore =
  'restore the key from a backup (docs/backup.md); an LFS object can also be had again from a clone that has it: delete its row of lfs_object, then `git lfs push --all`'
const restoreWhole =
  'restore the key from a backup (docs/backup.md); or send the same bytes again, from now on they take its place: of an image, delete its manifests and the blob (DELETE /v2/NAME/blobs/DIGEST: clients don’t send what a registry says it has), then push it'
const rebuild = '`stemma fsck --rebuild` makes the row again'

const meanings: Readonly<Record<ContentFindingCode, Pick<ContentFinding, 'severity' | 'advice'>>> = {
  'segment-missing': { severity: 'error', advice: restore },
  'segment-size': { severity: 'error', advice: restore },
  'segment-index': { severity: 'error', advice: restore },
  'segment-row': { severity: 'error', advice: rebuild },
  'block-damaged': { severity: 'error', advice: restore },
  'chunk-row': { severity: 'error', advice: rebuild },
  'recipe-damaged': {
    severity: 'error',
    advice: `${rebuild} where the recipe stands in a segment of the bucket; else restore the database`,
  },
  'opened-row': { severity: 'error', advice: rebuild },
  'opened-damaged': {
    severity: 'error',
    advice: 'its parts are damaged or gone: restore the database and the keys from a backup; findings of segments say which',
  },
  'content-row': { severity: 'error', advice: rebuild },
  'content-damaged': {
    severity: 'error',
    advice:
      'its segments are whole, and what its recipe makes of them is not what its digest says: restore the database from a backup, and report this',
  },
  'whole-missing': { severity: 'error', advice: restoreWhole },
  'whole-damaged': { severity: 'error', advice: restoreWhole },
  'whole-row': { severity: 'error', advice: 'restore the database from a backup, and report this' },
}

export interface ContentFindingFacts {
  readonly key?: string | null
  readonly segment?: number
  readonly dependents?: ContentDependents
}

export function contentFinding(code: ContentFindingCode, message: string, facts: ContentFindingFacts = {}): ContentFinding {
  const { key = null, segment = null, dependents = noContentDependents } = facts
  return { ...meanings[code], code, message, key, segment, ...dependents }
}
