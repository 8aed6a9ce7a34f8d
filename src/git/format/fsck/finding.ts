// What fsck reports: git's message ids with their default severities (git-fsck(1), fsck.h), and how options change them.
// All of git's ids stand here, so that each can be named in settings; those about refs and about how objects are stored are never found
// here, where one object is looked at by itself.
import type { ObjectId } from '../object-id.ts'

/** Default severities, as in git's fsck.h. `fatal` is an error that no option can lower; `ignore` is silent until an option raises it. */
const defaults = {
  nulInHeader: 'fatal',
  unterminatedHeader: 'fatal',
  badDate: 'error',
  badDateOverflow: 'error',
  badEmail: 'error',
  badGpgsig: 'error',
  badHeaderContinuation: 'error',
  badHeadTarget: 'error',
  badName: 'error',
  badObjectSha1: 'error',
  badPackedRefEntry: 'error',
  badPackedRefHeader: 'error',
  badParentSha1: 'error',
  badRefContent: 'error',
  badReferentName: 'error',
  badRefFiletype: 'error',
  badRefName: 'error',
  badRefOid: 'error',
  badTimezone: 'error',
  badTree: 'error',
  badTreeSha1: 'error',
  badType: 'error',
  duplicateEntries: 'error',
  gitattributesBlob: 'error',
  gitattributesLarge: 'error',
  gitattributesLineLength: 'error',
  gitattributesMissing: 'error',
  gitmodulesBlob: 'error',
  gitmodulesLarge: 'error',
  gitmodulesMissing: 'error',
  gitmodulesName: 'error',
  gitmodulesPath: 'error',
  gitmodulesSymlink: 'error',
  gitmodulesUpdate: 'error',
  gitmodulesUrl: 'error',
  missingAuthor: 'error',
  missingCommitter: 'error',
  missingEmail: 'error',
  missingNameBeforeEmail: 'error',
  missingObject: 'error',
  missingSpaceBeforeDate: 'error',
  missingSpaceBeforeEmail: 'error',
  missingTag: 'error',
  missingTagEntry: 'error',
  missingTree: 'error',
  missingType: 'error',
  missingTypeEntry: 'error',
  multipleAuthors: 'error',
  packedRefEntryNotTerminated: 'error',
  packedRefUnsorted: 'error',
  treeNotSorted: 'error',
  unknownType: 'error',
  zeroPaddedDate: 'error',
  badReftableTableName: 'warning',
  emptyName: 'warning',
  fullPathname: 'warning',
  hasDot: 'warning',
  hasDotdot: 'warning',
  hasDotgit: 'warning',
  largePathname: 'warning',
  nulInCommit: 'warning',
  nullSha1: 'warning',
  zeroPaddedFilemode: 'warning',
  badFilemode: 'info',
  badTagName: 'info',
  emptyPackedRefsFile: 'info',
  gitattributesSymlink: 'info',
  gitignoreSymlink: 'info',
  gitmodulesParse: 'info',
  mailmapSymlink: 'info',
  missingTaggerEntry: 'info',
  refMissingNewline: 'info',
  symlinkRef: 'info',
  symrefTargetIsNotARef: 'info',
  trailingRefContent: 'info',
  extraHeaderEntry: 'ignore',
} as const satisfies Record<string, Severity | 'fatal' | 'ignore'>

/** git's message id in camel case, as in `fsck.<id>` and `receive.fsck.<id>`. */
export type FsckId = keyof typeof defaults

export type Severity = 'error' | 'warning' | 'info'

export interface Finding {
  readonly id: FsckId
  readonly severity: Severity
  /** git's text, without the id. */
  readonly message: string
}

/** Which findings are reported, and how severely. The defaults are those of a push with `receive.fsckObjects`. */
export interface FsckOptions {
  /** As `git index-pack --strict`: warnings count as errors, and file mode 100664 is a bad one. Default true. */
  readonly strict?: boolean
  /** Severity by id, as `receive.fsck.<id>`. An entry is final: `strict` doesn't raise it. Fatal ids stay errors. */
  readonly severities?: Readonly<Partial<Record<FsckId, 'error' | 'warning' | 'ignore'>>>
  /** Objects that nothing is reported about (`receive.fsck.skipList`); needs `oid`. */
  readonly skip?: { has(oid: ObjectId): boolean }
  /** The object's id, to look up in `skip`. */
  readonly oid?: ObjectId
  /** Longest name of a tree entry, in bytes, before `largePathname`. Default 4096. */
  readonly largePathnameBytes?: number
  /** For trees: told of each entry that is a `.gitmodules` or `.gitattributes` file by any disguise; `oid` is a view into the tree. */
  readonly onSpecial?: (role: SpecialRole, oid: Uint8Array) => void
  /** For blobs: what trees hold them as (found by `onSpecial`); a blob without a role has no findings. */
  readonly roles?: readonly SpecialRole[]
}

/** The files whose content fsck looks into. */
export type SpecialRole = 'gitmodules' | 'gitattributes'

/**
 * Severities for a host of other people's histories: three faults of old tools that do no harm, and that published repositories hold
 * (redis a zero-padded mode, for one), warn instead of refusing.
 */
export const hostedSeverities = {
  zeroPaddedFilemode: 'warning',
  badTimezone: 'warning',
  missingSpaceBeforeDate: 'warning',
} as const satisfies FsckOptions['severities']

/** All ids, in the order of severity. */
export const fsckIds: readonly FsckId[] = Object.keys(defaults) as FsckId[]

/** The severity that git gives an id by itself. */
export function defaultSeverity(id: FsckId): Severity | 'fatal' | 'ignore' {
  return defaults[id]
}

/** The id that an operator wrote, in any case (git's configuration keys have none), or null. */
export function parseFsckId(text: string): FsckId | null {
  const wanted = text.toLowerCase()
  return fsckIds.find((id) => id.toLowerCase() === wanted) ?? null
}

/** The severity that a finding of that id gets under the options; `ignore` when it is not reported. */
export function severityOf(id: FsckId, options: FsckOptions): Severity | 'ignore' {
  const standard = defaults[id]
  if (standard === 'fatal') return 'error'
  const chosen = options.severities?.[id]
  if (chosen !== undefined) return chosen
  return standard === 'warning' && (options.strict ?? true) ? 'error' : standard
}

/** True when a push that brings such an object is refused, as git does under `receive.fsckObjects`: errors refuse, the rest doesn't. */
export function refusesPush(findings: readonly Finding[]): boolean {
  return findings.some((finding) => finding.severity === 'error')
}

/** A line as git prints it: `error: object <oid>: hasDotgit: contains '.git'`. Info is printed as a warning, as git does. */
export function formatFinding(oid: ObjectId, finding: Finding): string {
  return `${finding.severity === 'error' ? 'error' : 'warning'}: object ${oid}: ${finding.id}: ${finding.message}`
}

/** Collects the findings of one object. */
export interface Report {
  readonly findings: Finding[]
  readonly options: FsckOptions
  readonly isSkipped: boolean
}

/** An empty report for one object. */
export function newReport(options: FsckOptions): Report {
  const { oid, skip } = options
  return { findings: [], options, isSkipped: oid !== undefined && skip?.has(oid) === true }
}

/** Findings kept of one object, and as many errors beyond them: a file of faults must not fill the memory. */
const MAX_FINDINGS = 1000

/** Adds a finding. True when it is an error: the reader of a commit or tag then stops, as git's does. */
export function add(report: Report, id: FsckId, message: string): boolean {
  if (report.isSkipped) return false
  const severity = severityOf(id, report.options)
  if (severity === 'ignore') return false
  const { findings } = report
  const isError = severity === 'error'
  if (findings.length < (isError ? 2 * MAX_FINDINGS : MAX_FINDINGS)) findings.push({ id, severity, message })
  return isError
}
