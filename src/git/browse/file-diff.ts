// Changes of files as they are shown: how many lines came and went, and which; or all of it as `git diff` prints it.
import { concatBytes, fromHex } from '../../base/index.ts'
import { isGitlinkMode } from '../format/tree.ts'
import { diffHunks, diffLines, formatHunks, isBinary, LineReader } from '../format/diff.ts'
import type { ObjectId } from '../format/object-id.ts'
import { objectSteps } from '../upload-pack/pace.ts'
import type { PacedRepository } from '../upload-pack/repository.ts'
import { pathText } from './text.ts'
import { type Blobs, findRenames } from './renames.ts'
import { diffTrees, type FileChange, type FileSide } from './tree-diff.ts'
import { numberOf } from './tree-list.ts'

export interface FileDiff {
  readonly path: string
  readonly oldPath: string | null
  readonly status: 'added' | 'removed' | 'modified' | 'renamed'
  /** Of the file as it is, or was before it went. */
  readonly oid: ObjectId
  readonly isSubmodule: boolean
  readonly additions: number
  readonly deletions: number
  /** Hunks in unified form; null: a binary file, too large, or nothing but its name or mode changed. */
  readonly patch: string | null
}

export interface DiffAnswer {
  readonly files: readonly FileDiff[]
  readonly fileCount: number
  /** Of all files whose lines were counted. */
  readonly additions: number
  readonly deletions: number
}

/** As many as GitHub shows. */
export const mostFiles = 3000
/** Larger files are as binary ones. */
const largestBytes = 4 << 20
/** Of all files whose lines are compared; of all patches; of one. */
const mostBytes = 64 << 20
const mostPatchText = 8 << 20
const largestPatch = 1 << 20
/** Whether a file is binary shows in its first bytes. */
const binaryBytes = 8000
/** Lines read and compared count for so many steps each. */
const stepsPerByte = 1 / 50

export interface FileRange {
  /** The first file that is wanted, and how many. */
  readonly from: number
  readonly count: number
  /** Lines are counted in the others, too. */
  readonly isTotal: boolean
}

export async function diffFiles(
  repository: PacedRepository,
  before: number | null,
  after: number,
  { count, from, isTotal }: FileRange,
): Promise<DiffAnswer> {
  const changes = await changesBetween(repository, before, after)
  const left = { bytes: mostBytes, patchText: mostPatchText }
  const files: FileDiff[] = []
  let [additions, deletions] = [0, 0]
  for (const [place, change] of changes.entries()) {
    const isShown = place >= from && place < from + count
    if (!isShown && !isTotal) continue
    const lines = await linesOf(repository, change, left, isShown)
    additions += lines?.additions ?? 0
    deletions += lines?.deletions ?? 0
    if (isShown) files.push(fileDiff(change, lines))
  }
  return { files, fileCount: changes.length, additions, deletions }
}

export async function changesBetween(repository: PacedRepository, before: number | null, after: number): Promise<readonly FileChange[]> {
  const { changes } = await diffTrees(repository, before, after, mostFiles)
  return await findRenames(changes, blobsOf(repository))
}

function blobsOf(repository: PacedRepository): Blobs {
  const number = (oid: ObjectId) => numberOf(repository, fromHex(oid))
  return {
    sizeBytes: (oid) => repository.set.sizeBytes(number(oid)),
    read: async (oid) => await repository.objects.read(number(oid)),
    turn: (steps) => repository.pace.turn(steps),
  }
}

function fileDiff({ path, oldPath, before, after }: FileChange, lines: Lines | null): FileDiff {
  const side = (after ?? before) as FileSide
  return {
    path: pathText(path),
    oldPath: oldPath === null ? null : pathText(oldPath),
    status: before === null ? 'added' : after === null ? 'removed' : oldPath === null ? 'modified' : 'renamed',
    oid: side.oid,
    isSubmodule: isGitlinkMode(side.mode),
    additions: lines?.additions ?? 0,
    deletions: lines?.deletions ?? 0,
    patch: lines?.patch ?? null,
  }
}

export interface Lines {
  readonly additions: number
  readonly deletions: number
  readonly patch: string | null
  /** The patch as bytes, with its last line end. */
  readonly hunks: Uint8Array | null
}

interface Left {
  bytes: number
  patchText: number
}

/** Null: the file isn't compared by lines. */
async function linesOf(repository: PacedRepository, change: FileChange, left: Left, isShown: boolean): Promise<Lines | null> {
  const texts = await textsOf(repository, change, left)
  if (texts === null) return null
  const turn = repository.pace.turn(objectSteps + (texts.old.length + texts.made.length) * stepsPerByte)
  if (turn) await turn
  const reader = new LineReader()
  const [a, b] = [reader.read(texts.old), reader.read(texts.made)]
  const changes = diffLines(a, b)
  let [additions, deletions] = [0, 0]
  for (const { newCount, oldCount } of changes) {
    additions += newCount
    deletions += oldCount
  }
  if (!isShown || changes.length === 0 || left.patchText <= 0) return { additions, deletions, patch: null, hunks: null }
  const hunks = formatHunks(a, b, diffHunks(a, b, changes))
  if (hunks.length > largestPatch) return { additions, deletions, patch: null, hunks: null }
  left.patchText -= hunks.length
  return { additions, deletions, patch: Buffer.from(hunks).toString('utf8').replace(/\n$/, ''), hunks }
}

async function textsOf(repository: PacedRepository, { before, after }: FileChange, left: Left) {
  if (before && after && before.oid === after.oid) return null
  const old = await textOf(repository, before, left)
  const made = old && (await textOf(repository, after, left))
  return old && made && { old, made }
}

/** Submodules as git shows them: as one line. Null: binary, or too large. */
async function textOf(repository: PacedRepository, side: FileSide | null, left: Left): Promise<Uint8Array | null> {
  if (side === null) return new Uint8Array(0)
  if (isGitlinkMode(side.mode)) return new Uint8Array(Buffer.from(`Subproject commit ${side.oid}\n`, 'latin1'))
  const number = numberOf(repository, fromHex(side.oid))
  const sizeBytes = repository.set.sizeBytes(number)
  if (sizeBytes > largestBytes || sizeBytes > left.bytes) return null
  left.bytes -= sizeBytes
  const bytes = await repository.objects.read(number)
  return isBinary(bytes.subarray(0, binaryBytes)) ? null : bytes
}

/** All changes as `git diff` prints them. @param abbreviate an id as git shortens it */
export async function diffText(
  repository: PacedRepository,
  before: number | null,
  after: number,
  abbreviate: (oid: ObjectId) => string,
): Promise<Uint8Array> {
  const left = { bytes: mostBytes, patchText: mostPatchText }
  const parts: Uint8Array[] = []
  for (const change of await changesBetween(repository, before, after)) {
    const lines = await linesOf(repository, change, left, true)
    parts.push(Buffer.from(headOf(change, abbreviate, lines), 'latin1'))
    if (lines?.hunks) parts.push(lines.hunks)
  }
  return concatBytes(parts)
}

function headOf(
  { path, oldPath, before, after, similarity }: FileChange,
  abbreviate: (oid: ObjectId) => string,
  lines: Lines | null,
): string {
  const [a, b] = [quoted(`a/${oldPath ?? path}`), quoted(`b/${path}`)]
  const head = [`diff --git ${a} ${b}`]
  const [old, made] = [before?.mode.toString(8).padStart(6, '0'), after?.mode.toString(8).padStart(6, '0')]
  if (before && after && old !== made) head.push(`old mode ${old}`, `new mode ${made}`)
  if (!before) head.push(`new file mode ${made}`)
  if (!after) head.push(`deleted file mode ${old}`)
  if (oldPath !== null) head.push(`similarity index ${similarity ?? 0}%`, `rename from ${quoted(oldPath)}`, `rename to ${quoted(path)}`)
  if (before?.oid !== after?.oid) {
    const none = '0'.repeat((after ?? before)?.oid.length ?? 40) as ObjectId
    const ids = `${short(before?.oid ?? none, abbreviate)}..${short(after?.oid ?? none, abbreviate)}`
    head.push(`index ${ids}${before && after && old === made ? ` ${made}` : ''}`)
    const [from, to] = [before ? a : '/dev/null', after ? b : '/dev/null']
    if (lines?.hunks) head.push(`--- ${named(from)}`, `+++ ${named(to)}`)
    else if (lines === null) head.push(`Binary files ${from} and ${to} differ`)
  }
  return `${head.join('\n')}\n`
}

function short(oid: ObjectId, abbreviate: (oid: ObjectId) => string): string {
  return /^0+$/.test(oid) ? '0'.repeat(7) : abbreviate(oid)
}

/** As git: a tab behind a name with spaces, so that `patch` finds its end. */
function named(path: string): string {
  return path.includes(' ') ? `${path}\t` : path
}

const escapes: Readonly<Record<string, string>> = {
  '\t': '\\t',
  '\n': '\\n',
  '\r': '\\r',
  '"': '\\"',
  '\\': '\\\\',
  '\x07': '\\a',
  '\b': '\\b',
  '\v': '\\v',
  '\f': '\\f',
}

/** git's core.quotePath. @param path one character for each byte */
function quoted(path: string): string {
  // oxlint-disable-next-line no-control-regex
  if (!/[\x00-\x1f"\\\x7f-\xff]/.test(path)) return path
  // oxlint-disable-next-line no-control-regex
  const text = path.replace(/[\x00-\x1f"\\\x7f-\xff]/g, (char) => escapes[char] ?? `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`)
  return `"${text}"`
}
