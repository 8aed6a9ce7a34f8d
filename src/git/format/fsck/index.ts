// fsck: what git says about one object by itself. Pure: what an object refers to is checked elsewhere (connectivity).
import { Kind, type ObjectFormat } from '../object-id.ts'
import { fsckBlob } from './blob.ts'
import { fsckCommit } from './commit.ts'
import { type Finding, type FsckOptions, newReport } from './finding.ts'
import { fsckTag } from './tag.ts'
import { fsckTree } from './tree.ts'

export { fsckSpecial, MAX_GITATTRIBUTES_BYTES, MAX_GITMODULES_BYTES } from './blob.ts'
export {
  defaultSeverity,
  type Finding,
  type FsckId,
  type FsckOptions,
  formatFinding,
  fsckIds,
  hostedSeverities,
  parseFsckId,
  refusesPush,
  type Severity,
  severityOf,
  type SpecialRole,
} from './finding.ts'

/**
 * What git's fsck finds in one object (git-fsck(1), FSCK MESSAGES), in git's order. By default with the severities of a push under
 * `receive.fsckObjects`: warnings are raised to errors, info stays. Never throws, whatever the bytes; linear in their length.
 * Trees tell `options.onSpecial` of `.gitmodules` and `.gitattributes` entries; those blobs are then checked with `options.roles`.
 */
export function fsckObject(kind: Kind, bytes: Uint8Array, format: ObjectFormat, options: FsckOptions = {}): Finding[] {
  const report = newReport(options)
  // Trees on the skip list are still read for the files they hold; of the rest nothing can come.
  if (report.isSkipped && kind !== Kind.tree) return []
  if (kind === Kind.commit) fsckCommit(bytes, format, report)
  else if (kind === Kind.tree) fsckTree(bytes, format, report)
  else if (kind === Kind.tag) fsckTag(bytes, format, report)
  else fsckBlob(bytes, report)
  return report.findings
}
