// fsck of one commit: tree, parents, one author, committer, in that order; further headers are free.
// Reading stops at the first error, and goes on after a finding that options have lowered, as git's does.
import type { ObjectFormat } from '../object-id.ts'
import { add, type Report } from './finding.ts'
import { checkHeaderBlock, fsckIdentity, type HeaderCursor, skip, takeId } from './headers.ts'

/** Adds a commit's findings to the report. */
export function fsckCommit(bytes: Uint8Array, format: ObjectFormat, report: Report): void {
  if (!checkHeaderBlock(bytes, report)) return
  const cursor: HeaderCursor = { bytes, at: 0 }
  if (!skip(cursor, 'tree ')) {
    add(report, 'missingTree', "invalid format - expected 'tree' line")
    return
  }
  if (!takeId(cursor, format) && add(report, 'badTreeSha1', "invalid 'tree' line format - bad sha1")) return
  while (skip(cursor, 'parent ')) {
    if (!takeId(cursor, format) && add(report, 'badParentSha1', "invalid 'parent' line format - bad sha1")) return
  }
  if (fsckPeople(cursor, report)) return
  if (bytes.includes(0)) add(report, 'nulInCommit', 'NUL byte in the commit object body')
}

function fsckPeople(cursor: HeaderCursor, report: Report): boolean {
  let authors = 0
  while (skip(cursor, 'author ')) {
    authors++
    if (fsckIdentity(cursor, report)) return true
  }
  if (authors === 0 && add(report, 'missingAuthor', "invalid format - expected 'author' line")) return true
  if (authors > 1 && add(report, 'multipleAuthors', "invalid format - multiple 'author' lines")) return true
  if (!skip(cursor, 'committer ')) {
    add(report, 'missingCommitter', "invalid format - expected 'committer' line")
    return true
  }
  return fsckIdentity(cursor, report)
}
