// What fsck finds: one record for each thing that is wrong, the same for people, for --json and for the scrub.

export type FindingCode =
  | 'pack-missing'
  | 'pack-size'
  | 'pack-index'
  | 'pack-row'
  | 'pack-hash'
  | 'pack-stretch'
  | 'pack-pad'
  | 'index-order'
  | 'index-sources'
  | 'index-externals'
  | 'entry-crc'
  | 'entry-header'
  | 'object-unreadable'
  | 'object-hash'
  | 'object-malformed'
  | 'object-missing'
  | 'object-kind'
  | 'ref-missing'
  | 'ref-kind'
  | 'ref-peeled'
  | 'history-missing'
  | 'history-damaged'
  | 'paths-missing'
  | 'paths-damaged'
  | 'network-unused'
  | 'key-missing'
  | 'key-stray'
  | 'key-doomed'

/** `error`: something can't be read, is wrong, or will be lost. `warning`: nothing is lost; space or speed. */
export type Severity = 'error' | 'warning'

/** What can't be had, or can't be relied on, because of a finding. */
export interface Dependents {
  /** `owner/name` of each repository that has such a ref. */
  readonly repositories: readonly string[]
  /** Refs whose history leads there: the first ones. */
  readonly refs: readonly { readonly repository: string; readonly ref: string }[]
  /** How many there are in all. */
  readonly refCount: number
}

export interface Finding {
  readonly severity: Severity
  readonly code: FindingCode
  /** One sentence. */
  readonly message: string
  /** What to do about it. */
  readonly advice: string
  /** The network's id; null where none is concerned. */
  readonly network: string | null
  /** The bucket's key; null for what lies in PostgreSQL. */
  readonly key: string | null
  /** Id of the pack's row. */
  readonly pack: number | null
  /** Ids of the first objects that are concerned, and how many there are in all. */
  readonly objects: readonly string[]
  readonly objectCount: number
  readonly dependents: Dependents
}

export const noDependents: Dependents = { repositories: [], refs: [], refCount: 0 }

const restore =
  'restore the key from a backup (docs/backup.md, One key); without one, push a whole clone to a new repository and delete this one and its forks; then check again'
const ours = 'nothing is lost; a full repack of the repository writes it anew'
const harmless = 'fetches go without it, only slower; `stemma fsck --rebuild` has it made again'

const harmlessToo = 'histories of paths and blame go without it, only slower; `stemma fsck --rebuild` has it made again'

const meanings: Readonly<Record<FindingCode, { readonly severity: Severity; readonly advice: string }>> = {
  'pack-missing': { severity: 'error', advice: restore },
  'pack-size': { severity: 'error', advice: restore },
  'pack-index': { severity: 'error', advice: restore },
  'pack-row': { severity: 'error', advice: '`stemma fsck --rebuild` corrects the row by what the value says of itself' },
  'pack-hash': { severity: 'error', advice: restore },
  'pack-stretch': { severity: 'error', advice: restore },
  'pack-pad': { severity: 'warning', advice: `no reader looks there, but something changed the value: check the storage; ${ours}` },
  'index-order': { severity: 'error', advice: `the index was written wrongly: report this; ${ours}` },
  'index-sources': { severity: 'error', advice: `the index was written wrongly: report this; ${ours}` },
  'index-externals': { severity: 'error', advice: `the index was written wrongly: report this; ${ours}` },
  'entry-crc': { severity: 'error', advice: restore },
  'entry-header': { severity: 'error', advice: restore },
  'object-unreadable': { severity: 'error', advice: restore },
  'object-hash': { severity: 'error', advice: restore },
  'object-malformed': { severity: 'error', advice: 'the object was stored so: it can only be replaced in history' },
  'object-missing': { severity: 'error', advice: restore },
  'object-kind': { severity: 'error', advice: 'the object was stored so: it can only be replaced in history' },
  'ref-missing': { severity: 'error', advice: `${restore}; or delete the ref` },
  'ref-kind': { severity: 'error', advice: 'move the branch to a commit' },
  'ref-peeled': { severity: 'error', advice: 'push the tag again: delete it and create it anew' },
  'history-missing': { severity: 'warning', advice: harmless },
  'history-damaged': { severity: 'warning', advice: harmless },
  'paths-missing': { severity: 'warning', advice: harmlessToo },
  'paths-damaged': { severity: 'warning', advice: harmlessToo },
  'network-unused': { severity: 'warning', advice: 'no repository has it any more: its packs only take space' },
  'key-missing': { severity: 'error', advice: 'restore the key from a backup (docs/backup.md)' },
  'key-stray': {
    severity: 'warning',
    advice: 'after a restore, `stemma fsck --rebuild` makes the row again; else the key may be deleted',
  },
  'key-doomed': {
    severity: 'error',
    advice: 'it is needed and will be deleted: remove its row from key_deletion or upload_intent, and report this',
  },
}

export interface FindingFacts {
  readonly network?: string
  readonly key?: string | null
  readonly pack?: number
  readonly objects?: readonly string[]
  readonly objectCount?: number
  readonly dependents?: Dependents
}

export function finding(code: FindingCode, message: string, facts: FindingFacts = {}): Finding {
  const objects = facts.objects ?? []
  return {
    ...meanings[code],
    code,
    message,
    network: facts.network ?? null,
    key: facts.key ?? null,
    pack: facts.pack ?? null,
    objects,
    objectCount: facts.objectCount ?? objects.length,
    dependents: facts.dependents ?? noDependents,
  }
}
