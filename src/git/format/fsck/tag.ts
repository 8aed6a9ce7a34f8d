// fsck of one annotated tag: object, type, tag, tagger, in that order, then a signature at most.
// Reading stops at the first error, and goes on after a finding that options have lowered, as git's does.
import type { ObjectFormat } from '../object-id.ts'
import { isRefname } from '../refname.ts'
import { add, type Report } from './finding.ts'
import { checkHeaderBlock, fsckIdentity, type HeaderCursor, skip, takeId, takeLine } from './headers.ts'

/** Adds a tag's findings to the report. */
export function fsckTag(bytes: Uint8Array, format: ObjectFormat, report: Report): void {
  if (!checkHeaderBlock(bytes, report)) return
  const cursor: HeaderCursor = { bytes, at: 0 }
  if (!fsckTarget(cursor, format, report) || !fsckName(cursor, report)) return
  // A faulty tagger does not stop git from looking at what follows it.
  if (skip(cursor, 'tagger ')) fsckIdentity(cursor, report)
  else if (add(report, 'missingTaggerEntry', "invalid format - expected 'tagger' line")) return
  if (!fsckSignature(cursor, report)) return
  if (cursor.at < bytes.length && bytes[cursor.at] !== 0x0a) {
    add(report, 'extraHeaderEntry', "invalid format - extra header(s) after 'tagger'")
  }
}

function fsckTarget(cursor: HeaderCursor, format: ObjectFormat, report: Report): boolean {
  if (!skip(cursor, 'object ')) {
    add(report, 'missingObject', "invalid format - expected 'object' line")
    return false
  }
  if (!takeId(cursor, format) && add(report, 'badObjectSha1', "invalid 'object' line format - bad sha1")) return false
  if (!skip(cursor, 'type ')) {
    add(report, 'missingTypeEntry', "invalid format - expected 'type' line")
    return false
  }
  const type = takeLine(cursor)
  if (type === null) {
    add(report, 'missingType', "invalid format - unexpected end after 'type' line")
    return false
  }
  return /^(commit|tree|blob|tag)$/.test(type) || !add(report, 'badType', "invalid 'type' value")
}

function fsckName(cursor: HeaderCursor, report: Report): boolean {
  if (!skip(cursor, 'tag ')) {
    add(report, 'missingTagEntry', "invalid format - expected 'tag' line")
    return false
  }
  const name = takeLine(cursor)
  if (name === null) {
    add(report, 'missingTag', "invalid format - unexpected end after 'type' line")
    return false
  }
  return isRefname(`refs/tags/${name}`) || !add(report, 'badTagName', `invalid 'tag' name: ${name}`)
}

/** Steps over a signature in the header, with its continuation lines. */
function fsckSignature(cursor: HeaderCursor, report: Report): boolean {
  if (!skip(cursor, 'gpgsig ') && !skip(cursor, 'gpgsig-sha256 ')) return true
  if (takeLine(cursor) === null) {
    add(report, 'badGpgsig', "invalid format - unexpected end after 'gpgsig' or 'gpgsig-sha256' line")
    return false
  }
  while (skip(cursor, ' ')) {
    if (takeLine(cursor) !== null) continue
    add(report, 'badHeaderContinuation', "invalid format - unexpected end in 'gpgsig' or 'gpgsig-sha256' continuation line")
    return false
  }
  return true
}
