// The table of message ids against git's own (Documentation/fsck-msgids.adoc and fsck.h of git 2.51 and later): every id, its severity.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultSeverity, fsckIds, severityOf } from './index.ts'

const table = {
  fatal: 'nulInHeader unterminatedHeader',
  error: `badDate badDateOverflow badEmail badGpgsig badHeaderContinuation badHeadTarget badName badObjectSha1 badPackedRefEntry
    badPackedRefHeader badParentSha1 badRefContent badReferentName badRefFiletype badRefName badRefOid badTimezone badTree badTreeSha1
    badType duplicateEntries gitattributesBlob gitattributesLarge gitattributesLineLength gitattributesMissing gitmodulesBlob
    gitmodulesLarge gitmodulesMissing gitmodulesName gitmodulesPath gitmodulesSymlink gitmodulesUpdate gitmodulesUrl missingAuthor
    missingCommitter missingEmail missingNameBeforeEmail missingObject missingSpaceBeforeDate missingSpaceBeforeEmail missingTag
    missingTagEntry missingTree missingType missingTypeEntry multipleAuthors packedRefEntryNotTerminated packedRefUnsorted
    treeNotSorted unknownType zeroPaddedDate`,
  warning: `badReftableTableName emptyName fullPathname hasDot hasDotdot hasDotgit largePathname nullSha1 nulInCommit
    zeroPaddedFilemode`,
  info: `badFilemode badTagName emptyPackedRefsFile gitattributesSymlink gitignoreSymlink gitmodulesParse mailmapSymlink
    missingTaggerEntry refMissingNewline symlinkRef symrefTargetIsNotARef trailingRefContent`,
  ignore: 'extraHeaderEntry',
} as const

test('holds every id of git with its severity, and no other', () => {
  const wanted = Object.entries(table).flatMap(([severity, ids]) => ids.split(/\s+/).map((id) => `${id} ${severity}`))
  assert.equal(wanted.length, 76)
  assert.deepEqual(fsckIds.map((id) => `${id} ${defaultSeverity(id)}`).sort(), wanted.sort())
})

test('judges a push by them: warnings refuse, info does not, and fatal ids stay errors', () => {
  for (const id of fsckIds) {
    const standard = defaultSeverity(id)
    const pushed = standard === 'fatal' || standard === 'warning' ? 'error' : standard
    assert.equal(severityOf(id, {}), pushed, id)
    assert.equal(severityOf(id, { severities: { [id]: 'ignore' } }), standard === 'fatal' ? 'error' : 'ignore', id)
  }
})
