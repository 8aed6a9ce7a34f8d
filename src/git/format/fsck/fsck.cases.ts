// Objects with one fault each, and what git's fsck finds in them: the table that fsck.test.ts holds both us and the real git to.
import { concatBytes, utf8 } from '../../../base/index.ts'
import { Kind } from '../object-id.ts'
import type { FsckId } from './finding.ts'

export interface FsckCase {
  readonly name: string
  readonly kind: Kind
  readonly bytes: Uint8Array
  readonly ids: readonly FsckId[]
  /** git's version that first found this; older ones are not asked. */
  readonly since?: number
}

const bytesOf = (text: string) => Buffer.from(text, 'latin1')
const someId = '17'.repeat(20)
const otherId = '2a'.repeat(20)

/** A tree from `mode name` texts (Latin-1); every id is `someId`, unless the entry is given as a pair. */
export function tree(...entries: (string | readonly [string, string])[]): Uint8Array {
  return concatBytes(
    entries.flatMap((entry) => {
      const [head, id] = typeof entry === 'string' ? [entry, someId] : entry
      return [bytesOf(`${head}\0`), Buffer.from(id, 'hex')]
    }),
  )
}

const named = (name: string) => tree(`100644 ${name}`)
const treeCase = (name: string, bytes: Uint8Array, ...ids: FsckId[]): FsckCase => ({ name, kind: Kind.tree, bytes, ids })
const nameCase = (name: string, ...ids: FsckId[]) => treeCase(`name ${JSON.stringify(name)}`, named(name), ...ids)

export const treeCases: readonly FsckCase[] = [
  treeCase('empty', new Uint8Array()),
  treeCase('all good modes', tree('100644 a', '100755 b', '120000 c', '160000 d', '40000 e')),
  treeCase('no entry', bytesOf('x'), 'badTree'),
  treeCase('mode only', bytesOf('100644'), 'badTree'),
  treeCase('cut id', tree('100644 a').subarray(0, -1), 'badTree'),
  treeCase('no name', tree('100644 '), 'badTree'),
  treeCase('leading space', tree(' 100644 a'), 'badTree'),
  treeCase('mode of letters', tree('10064x a'), 'badTree'),
  treeCase('second entry unreadable', tree('100644 .git', '8 b'), 'badTree', 'hasDotgit'),
  treeCase('null id', tree(['100644 a', '00'.repeat(20)]), 'nullSha1'),
  nameCase('a/b', 'fullPathname'),
  nameCase('.', 'hasDot'),
  nameCase('..', 'hasDotdot'),
  nameCase('...'),
  ...[
    '.git',
    '.GIT',
    '.Git',
    'git~1',
    'GIT~1',
    '.git.',
    '.git ',
    '.git. . ',
    '.git::$INDEX_ALLOCATION',
    '.git:x',
    'git~1 .',
    '.git\\x',
    'a\\.git',
  ].map((name) => nameCase(name, 'hasDotgit')),
  ...['x\\git~1', '.g\xe2\x80\x8cit', '\xef\xbb\xbf.git', '.git\xe2\x80\x8f', '.gi\xe2\x81\xaat', '.git\xff', '.git\xe2\x80\x8c'].map(
    (name) => nameCase(name, 'hasDotgit'),
  ),
  ...['.gitx', 'git', 'git~2', '.gi', '.g\xe2\x80\x8bit', '.git.x', '.git x', 'git~11', '.git\xc3\xa4', '.github', 'x.git', '~1'].map(
    (name) => nameCase(name),
  ),
  nameCase('.git/x', 'fullPathname', 'hasDotgit'),
  treeCase('padded mode', tree('0100644 a'), 'zeroPaddedFilemode'),
  treeCase('padded folder', tree('040000 a'), 'zeroPaddedFilemode'),
  treeCase('mode 100664', tree('100664 a'), 'badFilemode'),
  treeCase('mode 100600', tree('100600 a'), 'badFilemode'),
  treeCase('mode 0', tree('0 a'), 'zeroPaddedFilemode', 'badFilemode'),
  treeCase('twice', tree('100644 a', '100644 a'), 'duplicateEntries'),
  treeCase('file and folder', tree('100644 a', '40000 a'), 'duplicateEntries'),
  treeCase('file and folder apart', tree('100644 a', '100644 a-b', '40000 a'), 'duplicateEntries'),
  treeCase(
    'file and folder far apart',
    tree('100644 x', '100644 x-1', '40000 x-1.d', '100644 x.b', '100644 x.b.c', '40000 x.b', '40000 x'),
    'duplicateEntries',
  ),
  treeCase('near duplicates', tree('100644 x', '100644 x-1', '40000 x.b', '100644 x0')),
  treeCase('unsorted', tree('100644 b', '100644 a'), 'treeNotSorted'),
  treeCase('folder before its like', tree('40000 a', '100644 a.c'), 'treeNotSorted'),
  treeCase('folder after its like', tree('100644 a.c', '40000 a', '100644 a0')),
  { ...treeCase('long name', named('n'.repeat(4097)), 'largePathname'), since: 2.44 },
  treeCase('name of 4096', named('n'.repeat(4096))),
  ...[
    '.gitmodules',
    '.GITMODULES',
    'gitmod~1',
    'GITMOD~4',
    'gi7eba~1',
    'GI7EB~12',
    '~1000000',
    '.gitmodules .',
    'gi7eba~9:$DATA',
    '.gitmodule\xe2\x80\x8ds',
    'x\\.gitmodules',
  ].map((name) => treeCase(`link ${JSON.stringify(name)}`, tree(`120000 ${name}`), ...linkIds(name))),
  ...['gitmod~5', 'gi7eba~0', 'gi7eba', '.gitmodules.x', 'gitmodules', 'gi7ebaX~1', '~0000000', 'gi7eba~1x', 'x\\.gitignore'].map((name) =>
    treeCase(`link ${JSON.stringify(name)}`, tree(`120000 ${name}`)),
  ),
  treeCase('link .gitattributes', tree('120000 .gitattributes'), 'gitattributesSymlink'),
  treeCase('link gi7d29~1', tree('120000 gi7d29~1'), 'gitattributesSymlink'),
  treeCase('link .gitignore', tree('120000 .gitignore'), 'gitignoreSymlink'),
  treeCase('link GI250A~3', tree('120000 GI250A~3'), 'gitignoreSymlink'),
  treeCase('link .mailmap', tree('120000 .mailmap'), 'mailmapSymlink'),
  treeCase('link maba30~2', tree('120000 maba30~2'), 'mailmapSymlink'),
  treeCase(
    'many',
    tree('040000 .git', ['120000 .gitmodules', '00'.repeat(20)], '100600 ..'),
    'gitmodulesSymlink',
    'nullSha1',
    'hasDotdot',
    'hasDotgit',
    'zeroPaddedFilemode',
    'badFilemode',
    'treeNotSorted',
  ),
]

/** A number alone is a short name of each of the four files. */
function linkIds(name: string): FsckId[] {
  return name === '~1000000' ? ['gitmodulesSymlink', 'gitattributesSymlink', 'gitignoreSymlink', 'mailmapSymlink'] : ['gitmodulesSymlink']
}

const me = 'A U Thor <author@example.com> 1700000000 +0100'
const commitText = (author = `author ${me}\n`, committer = `committer ${me}\n`, rest = '\nhello\n', head = `tree ${someId}\n`) =>
  `${head}${author}${committer}${rest}`
const commitCase = (name: string, text: string, ...ids: FsckId[]): FsckCase => ({ name, kind: Kind.commit, bytes: bytesOf(text), ids })
const authorCase = (who: string, ...ids: FsckId[]) => commitCase(`author ${JSON.stringify(who)}`, commitText(`author ${who}\n`), ...ids)

export const commitCases: readonly FsckCase[] = [
  commitCase('good', commitText()),
  commitCase('good, no message', commitText(undefined, undefined, '')),
  commitCase('good, parents', commitText(undefined, undefined, undefined, `tree ${someId}\nparent ${someId}\nparent ${otherId}\n`)),
  commitCase('good, headers', commitText(undefined, undefined, 'encoding latin1\ngpgsig -----BEGIN\n x\n -----END\n\nm')),
  commitCase('ids in capitals', commitText(undefined, undefined, undefined, `tree ${'AB'.repeat(20)}\n`)),
  commitCase('empty', '', 'unterminatedHeader'),
  commitCase('no newline', `tree ${someId}`, 'unterminatedHeader'),
  commitCase('NUL in header', `tree ${someId}\n\0`, 'nulInHeader'),
  commitCase('NUL in author', commitText(`author A\0${me}\n`), 'nulInHeader'),
  commitCase('NUL in message', commitText(undefined, undefined, '\na\0b\n'), 'nulInCommit'),
  commitCase('no tree', `parent ${someId}\n\n`, 'missingTree'),
  commitCase('only an empty line', '\n\n', 'missingTree'),
  commitCase('bad tree', commitText(undefined, undefined, undefined, `tree ${someId}x\n`), 'badTreeSha1'),
  commitCase('short tree', commitText(undefined, undefined, undefined, 'tree 1234\n'), 'badTreeSha1'),
  commitCase('bad parent', commitText(undefined, undefined, undefined, `tree ${someId}\nparent ${someId.slice(1)}\n`), 'badParentSha1'),
  commitCase('no author', commitText(''), 'missingAuthor'),
  commitCase('two authors', commitText(`author ${me}\nauthor ${me}\n`), 'multipleAuthors'),
  commitCase('no committer', commitText(undefined, ''), 'missingCommitter'),
  commitCase('bad committer', commitText(undefined, 'committer A <a> 1 1\n'), 'badTimezone'),
  authorCase('<a@b> 1 +0000', 'missingNameBeforeEmail'),
  authorCase('A U Thor', 'missingEmail'),
  authorCase('A > <a@b> 1 +0000', 'badName'),
  authorCase('A<a@b> 1 +0000', 'missingSpaceBeforeEmail'),
  authorCase('A <a<b> 1 +0000', 'badEmail'),
  authorCase('A <a@b 1 +0000', 'badEmail'),
  authorCase('A <a@b>1 +0000', 'missingSpaceBeforeDate'),
  authorCase('A <a@b>', 'missingSpaceBeforeDate'),
  authorCase('A <a@b> then +0000', 'badDate'),
  authorCase('A <a@b> ', 'badDate'),
  authorCase('A <a@b> -1 +0000', 'badDate'),
  authorCase('A <a@b> 12x +0000', 'badDate'),
  authorCase('A <a@b> 12', 'badDate'),
  authorCase('A <a@b> 012 +0000', 'zeroPaddedDate'),
  authorCase('A <a@b> 0 +0000'),
  authorCase('A <a@b> 9223372036854775807 +0000'),
  authorCase('A <a@b> 9223372036854775808 +0000', 'badDateOverflow'),
  authorCase('A <a@b> 18446744073709551616 +0000', 'badDateOverflow'),
  authorCase('A <a@b> 99999999999999999999999999 +0000', 'badDateOverflow'),
  authorCase('A <a@b> 12 0000', 'badTimezone'),
  authorCase('A <a@b> 12 +000', 'badTimezone'),
  authorCase('A <a@b> 12 +00000', 'badTimezone'),
  authorCase('A <a@b> 12 +0000 ', 'badTimezone'),
  authorCase('A <a@b> 12 +9999'),
  authorCase(' <> 0 -0000'),
]

const tagText = (object = `object ${someId}\n`, type = 'type commit\n', name = 'tag v1\n', tagger = `tagger ${me}\n`, rest = '\nhello\n') =>
  `${object}${type}${name}${tagger}${rest}`
const tagCase = (name: string, text: string, ...ids: FsckId[]): FsckCase => ({ name, kind: Kind.tag, bytes: bytesOf(text), ids })

export const tagCases: readonly FsckCase[] = [
  tagCase('good', tagText()),
  tagCase('good, no message', tagText(undefined, undefined, undefined, undefined, '')),
  tagCase('unterminated', `object ${someId}`, 'unterminatedHeader'),
  tagCase('NUL', `object ${someId}\ntype\0`, 'nulInHeader'),
  tagCase('NUL in message', tagText(undefined, undefined, undefined, undefined, '\na\0b')),
  tagCase('no object', tagText(''), 'missingObject'),
  tagCase('bad object', tagText('object 12\n'), 'badObjectSha1'),
  tagCase('no type', tagText(undefined, ''), 'missingTypeEntry'),
  tagCase('bad type', tagText(undefined, 'type house\n'), 'badType'),
  tagCase('empty type', tagText(undefined, 'type \n'), 'badType'),
  tagCase('no name', tagText(undefined, undefined, ''), 'missingTagEntry'),
  tagCase('name with space', tagText(undefined, undefined, 'tag v 1\n'), 'badTagName'),
  tagCase('empty name', tagText(undefined, undefined, 'tag \n'), 'badTagName'),
  tagCase('no tagger', tagText(undefined, undefined, undefined, ''), 'missingTaggerEntry'),
  tagCase('bad tagger', tagText(undefined, undefined, undefined, 'tagger A <a> 1 1\n'), 'badTimezone'),
  tagCase('more headers', tagText(undefined, undefined, undefined, undefined, 'more x\n\nm')),
  { ...tagCase('signature in header', tagText(undefined, undefined, undefined, undefined, 'gpgsig-sha256 a\n b\n\nm')), since: 2.48 },
]

const modules = (text: string, ...ids: FsckId[]): FsckCase => ({
  name: JSON.stringify(text.slice(0, 90)),
  kind: Kind.blob,
  bytes: utf8(text),
  ids,
})
const section = (line: string, name = 'x') => `[submodule "${name}"]\n\t${line}\n`

export const gitmodulesCases: readonly FsckCase[] = [
  modules(''),
  modules(section('url = https://example.com/x.git\n\tpath = x\n\tupdate = merge')),
  modules(section('url = ./x\n# comment', 'a/b..c')),
  modules(section('path = x', '../x'), 'gitmodulesName'),
  modules(section('path = x', 'a/../b'), 'gitmodulesName'),
  modules(section('path = x', 'a\\\\..'), 'gitmodulesName'),
  modules(section('path = x', ''), 'gitmodulesName'),
  modules(section('path', '..'), 'gitmodulesName'),
  modules(section('path = x\n\tbranch = y', '..'), 'gitmodulesName', 'gitmodulesName'),
  modules('[submodule ".."]\n'),
  modules('[submodule]\n\tpath = -x\n'),
  modules('[submodule "a.url\0b"]\n\tx = -y\n', 'gitmodulesUrl'),
  modules('[submodule "a\0b"]\n\turl = -y\n'),
  modules('path = x'),
  modules('[other ".."]\n\tpath = -x\n'),
  modules('[SubModule "x"]\n\tURL = -x\n', 'gitmodulesUrl'),
  modules('[submodule.X]\n\turl = -x\n', 'gitmodulesUrl'),
  modules(section('path = -x'), 'gitmodulesPath'),
  modules(section('path = "-x y"'), 'gitmodulesPath'),
  modules(section('path = \\\n-x'), 'gitmodulesPath'),
  modules(section('update = !rm -rf'), 'gitmodulesUpdate'),
  modules(section('update = \\"!x')),
  modules(section('url = -oProxyCommand=x'), 'gitmodulesUrl'),
  ...[
    './x%0ay',
    '../x%0Ay',
    'git://h/%0a',
    'https://h/%0a',
    'http::https://h/x%0ay',
    '../:x',
    '..//x',
    './../:',
    '..\\\\:x',
    'https:///x',
    'http::foo',
    'https://u%0a@h/',
    'ftp://h/?%0a',
    '"https://h/\\nx"',
  ].map((url) => modules(section(`url = ${url}`), 'gitmodulesUrl')),
  // git normalises URLs only since 2.44.
  ...['https:// h', 'https://h:0/', 'https://h:99999/', 'https://h/..', 'https://h/%2', 'https://h:x/'].map((url) => ({
    ...modules(section(`url = ${url}`), 'gitmodulesUrl'),
    since: 2.44,
  })),
  ...['https://h/%0a/../x', 'http::file:///x'].map((url) => ({ ...modules(section(`url = ${url}`)), since: 2.44 })),
  ...[
    './x',
    './:x',
    '../x:y',
    'https://u:p@[::1]:8080/a/./b/../c?q#f',
    'https://h:080',
    'file:///x%0a',
    'ssh://h/%0a',
    '/x%0a',
    'https://h/%250a',
    'HTTPS://h/%0a',
    'https://h/a/%2e%2e/b',
    'https://h//../x',
    'http://h/.',
    'ftps://h?x',
    '..x%0a',
    'git://h/x',
  ].map((url) => modules(section(`url = ${url}`))),
  // git's fsck stumbles over these two, but not its reader of work tree files: we look behind them.
  { ...modules('\ufeff[submodule "x"]\n\tpath = -x\n', 'gitmodulesPath'), since: Number.POSITIVE_INFINITY },
  {
    ...modules('#\xff\n[submodule "x"]\n\tpath = -x\n', 'gitmodulesPath'),
    bytes: bytesOf('#\xff\n[submodule "x"]\n\tpath = -x\n'),
    since: Number.POSITIVE_INFINITY,
  },
  modules(section('path = -x\r'), 'gitmodulesPath'),
  modules('[submodule "x"] path = -x', 'gitmodulesPath'),
  modules(section('path = -x ; comment') + 'rubbish ~\n', 'gitmodulesPath', 'gitmodulesParse'),
  ...[
    '[submodule "x"\n',
    '[submodule x"]\n',
    '[sub_module]\n',
    '[submodule "x"]\n\tpath = "x\n',
    '[submodule "x"]\n\tpath = \\q\n',
    '[submodule "x"]\n\tpa_th = x\n',
    '[submodule "x"]\n\t1path = x\n',
    '[]\n',
    '[',
    '[submodule "x" ]\n',
    '\xef',
    '[submodule "x"]\n\tpath x\n',
    '\0',
  ].map((text) => modules(text, 'gitmodulesParse')),
]

export const gitattributesCases: readonly FsckCase[] = [
  modules('*.txt text\n'),
  modules(`${'a'.repeat(2047)}\n`),
  modules(`x\n${'a'.repeat(2048)}\ny\n${'b'.repeat(3000)}`, 'gitattributesLineLength'),
  modules(`x\n${'a'.repeat(2048)}`, 'gitattributesLineLength'),
  modules(`x\0${'a'.repeat(2048)}`),
]
