// Archives byte for byte as `git archive` writes them, from the same repositories.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { loadRepository, type ServedRepository } from '../../../tests/support/fetch-server.ts'
import { Git, TempFolder } from '../../../tests/support/git.ts'
import { concatBytes, fromHex, InputError, latin1, utf8 } from '../../base/index.ts'
import type { ObjectId } from '../format/object-id.ts'
import { openArchive } from './archive.ts'
import { refNames } from './ref-names.ts'
import { parseObjectName } from './revision.ts'
import type { ArchiveTask } from './task.ts'

const folder = new TempFolder('archive')
const git = new Git(folder)
let work: string
let bare: string
let served: ServedRepository

/** Placeholders that every git knows alike; the others are in commit-format.test.ts. */
const placeholders =
  '%H %h %T %t %P %p|%an %aN %ae %aE %al %ad %aD %ai %as %at|%cn %ce %cd %cD %ci %cs %ct|%d|%D|%e|%s|%f|%m%n%b|%B%x41%%' +
  '|%+s|%-e|% s|%Cred%C(auto)%Creset|%Q|%z'

before(async () => {
  work = folder.join('work')
  await git.run(['init', '-q', '-b', 'main', work])
  const at = (name: string) => folder.join('work', name)
  await git.commit(work, { 'README.md': 'first\n', 'sub/keep/x.txt': 'x\n' }, 'first one')
  await git.run(['tag', '-a', '-m', 'one', 'v1.0'], { cwd: work })
  const long = `${'deep-folder-name/'.repeat(9)}${'n'.repeat(90)}.txt`
  const longer = `${'f'.repeat(120)}/${'g'.repeat(130)}.txt`
  const attributes =
    'ignored.txt export-ignore\nsecret/ export-ignore\n*.subst export-subst\n[attr]gone export-ignore\nmacro.txt gone\n' +
    'windows.txt text eol=crlf\nauto.txt text=auto eol=crlf\nauto.bin text=auto eol=crlf\nid.txt ident\nwide.txt working-tree-encoding=UTF-16\n' +
    '"quoted\\040name.txt" export-ignore\n/sub/**/only.txt export-ignore\nsub/kept.txt -export-ignore\n!negative export-ignore\n' +
    '*.log export-ignore\nkept.log !export-ignore\nkept.bin binary\nempty.txt -diff\nbig.bin diff\n'
  mkdirSync(at('bin'))
  symlinkSync('../README.md', at('bin/link'))
  symlinkSync(`${'t/'.repeat(70)}target`, at('far-link'))
  writeFileSync(at('bin/run.sh'), '#!/bin/sh\n')
  chmodSync(at('bin/run.sh'), 0o755)
  await git.commit(
    work,
    {
      'sub/readme.md': '$Format:%H$\n',
      'sub/x.txt': 'x',
      'sub/a/b/only.txt': 'x',
      'sub/kept.txt': 'kept',
      'sub/kept.log': 'log',
      'kept.log': 'log',
      'other.log': 'log',
      'ignored.txt': 'x',
      'macro.txt': 'x',
      'quoted name.txt': 'x',
      'secret/a.txt': 'x',
      'only-secret/secret/a.txt': 'x',
      'windows.txt': 'a\nb\r\nc\n',
      'auto.txt': 'a\nb\n',
      'auto.bin': 'a\n\0b\n',
      'kept.bin': '$Id$\n',
      'id.txt': '$Id$ $Id: old $ $Id: of another kind $ $Id:\n$',
      'wide.txt': 'wide äöü\n',
      'all.subst': `$Format:${placeholders}$\nagain $Format:%h$ $Format:\n$Format:%n%an$ %H $`,
      'describe.subst': '$Format:%(describe)$ $Format:%(describe)$',
      'empty.txt': '',
      'ünïcödé/ñ.txt': 'unicode',
      [long]: 'long',
      [longer]: 'longer',
      [`${'d'.repeat(101)}/${'e'.repeat(80)}`]: 'prefix',
      'big.bin': new Uint8Array(600_000).map((_, i) => (i * i) >> 3),
    },
    'second line of the subject\nstill the subject\n\nThe body,\n  of two lines.\n\nSigned-off-by: A <a@b>\n',
  )
  // after the files, so that adding these doesn't convert them
  writeFileSync(at('.gitattributes'), attributes)
  writeFileSync(at('sub/.gitattributes'), 'x.txt export-ignore\n*.md export-subst\nkept.log -export-ignore\n')
  await git.run(['add', '.gitattributes', 'sub/.gitattributes'], { cwd: work })
  const commit = await git.read(['rev-parse', 'HEAD'], { cwd: work })
  await git.run(['update-index', '--add', '--cacheinfo', `160000,${commit},module`], { cwd: work })
  await git.run(['commit', '-q', '-m', 'a submodule'], { cwd: work, env: { GIT_AUTHOR_DATE: '1600000000 -0330', GIT_AUTHOR_NAME: 'Ä B' } })
  await git.run(['tag', 'light'], { cwd: work })
  await git.run(['branch', 'other'], { cwd: work })
  bare = folder.join('bare.git')
  await git.run(['clone', '-q', '--bare', work, bare])
  await git.run(['repack', '-adq'], { cwd: bare })
  served = await loadRepository(bare)
})
after(() => folder.remove())

/** A repository with a work tree, as it would be served. */
async function loadWork(path: string): Promise<ServedRepository> {
  await git.run(['clone', '-q', '--bare', path, `${path}.git`])
  await git.run(['repack', '-adq'], { cwd: `${path}.git` })
  return await loadRepository(`${path}.git`)
}

async function ours(name: string, options: Partial<ArchiveTask> = {}, from = served): Promise<Buffer> {
  const { format } = from
  const tips = concatBytes(from.refs.refs.flatMap(({ oid, peeled }) => [fromHex(oid), fromHex(peeled ?? oid)]))
  const parsed = parseObjectName(name, from.refs, format)
  assert.ok(parsed, `${name} is no name`)
  const task: ArchiveTask = {
    name: parsed,
    tips,
    format: 'tar',
    level: -1,
    prefix: '',
    pathspecs: [],
    usesAttributes: true,
    tellsPaths: false,
    umask: 0o002,
    time: null,
    now: 1_700_000_000,
    ...options,
  }
  const archive = await openArchive(from.repository, task)
  const parts: Uint8Array[] = []
  for await (const item of archive.stream(refNames(from.refs, archive.head.commit))) if (item instanceof Uint8Array) parts.push(item)
  return Buffer.concat(parts)
}

function gits(args: readonly string[], path = bare): Buffer {
  return execFileSync('git', ['-C', path, 'archive', ...args], { maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'pipe'] })
}

/** Names and contents, where whole archives differ: easier to read than bytes. */
async function assertSame(own: Buffer, theirs: Buffer): Promise<void> {
  if (own.equals(theirs)) return
  const list = (tar: Buffer) => execFileSync('tar', ['-tvf', '-'], { input: tar }).toString().split('\n')
  const [a, b] = [list(own), list(theirs)]
  const line = Math.max(
    0,
    a.findIndex((text, i) => text !== b[i]),
  )
  const at = own.findIndex((byte, i) => byte !== theirs[i])
  const around = (tar: Buffer) => latin1(tar.subarray(at - (at % 512), at + 1500)).replaceAll(/\0+/g, '\n')
  assert.equal(around(own), around(theirs))
  assert.equal(a[line], b[line])
  assert.fail(`archives differ at ${at}`)
}

describe('tar', () => {
  test('a commit, with all that attributes do', async () => await assertSame(await ours('main'), gits(['main'])))
  test('an older commit, a tag, HEAD, an id', async () => {
    for (const name of ['main~1', 'main~2', 'v1.0', 'light', 'HEAD', 'main^', 'v1.0^{commit}', 'refs/heads/other', 'heads/other']) {
      await assertSame(await ours(name), gits([name]))
    }
    const oid = await git.read(['rev-parse', 'main~1'], { cwd: bare })
    await assertSame(await ours(oid), gits([oid]))
    await assertSame(await ours(oid.slice(0, 9)), gits([oid]))
  })
  test('a prefix, with and without slashes', async () => {
    for (const prefix of ['p/', 'a/b/', 'p///', 'p-', `${'long-prefix/'.repeat(12)}`]) {
      await assertSame(await ours('main', { prefix }), gits([`--prefix=${prefix}`, 'main']))
    }
  })
  test('a folder of a commit: its own .gitattributes is the topmost', async () => {
    const time = 1_650_000_000
    for (const name of ['main:sub', 'main:', 'main:sub/keep', 'main^{tree}']) {
      const tree = await ours(name, { time })
      // git takes the current time for a tree; --mtime is too new an option to be counted on
      const theirs = gits([name])
      const entry = (tar: Buffer) => execFileSync('tar', ['-tf', '-'], { input: tar }).toString()
      assert.equal(entry(tree), entry(theirs))
      assert.deepEqual(withoutTimes(tree), withoutTimes(theirs))
    }
  })
  test('pathspecs', async () => {
    const cases = [
      ['sub'],
      ['sub/'],
      ['bin', 'README.md'],
      ['*.txt'],
      [':(glob)*.txt'],
      [':(glob)**/*.txt'],
      ['.', ':(exclude)sub'],
      [':!*.txt'],
      [':^sub/a', 'sub'],
      ['sub/a/../kept.txt'],
      [':(icase)readme.MD'],
      [':(top)bin'],
      [':(literal)README.md'],
      ['module'],
      ['module/'],
      ['only-secret', 'README.md'],
      ['s*b/k*'],
    ]
    for (const pathspecs of cases) await assertSame(await ours('main', { pathspecs }), gits(['main', '--', ...pathspecs]))
  })
  test('a pathspec that nothing matches, and those that are none, in git’s words', async () => {
    for (const pathspecs of [['nothing'], ['README.md', 'sub/nothing*'], ['../x'], [':(nonsense)x'], [':(glob'], ['README.md/x']]) {
      const error = await ours('main', { pathspecs }).catch((caught: unknown) => caught)
      assert.ok(error instanceof InputError, pathspecs.join(' '))
      assert.throws(() => gits(['main', '--', ...pathspecs]))
      if (/did not match/.test(error.message))
        assert.throws(
          () => gits(['main', '--', ...pathspecs]),
          (told: Error) => told.message.includes(error.message),
        )
    }
  })
  test('names of nothing', async () => {
    const missing = 'ee'.repeat(20)
    for (const name of [missing, 'main~9', 'main^3', 'main:nothing', 'main:README.md/x', 'eeeeee', 'main:module']) {
      await assert.rejects(ours(name), (error) => error instanceof InputError && /not a valid object name/.test(error.message), name)
    }
    await assert.rejects(ours('main:README.md'), /not a tree object: [0-9a-f]{40}/)
    for (const name of ['nothing', 'main^{nonsense}', 'main^{/x}', '', 'main..other']) {
      assert.equal(parseObjectName(name, served.refs, 'sha1'), null, name)
    }
  })
  test('an object that only a hidden ref reaches is named by nobody', async () => {
    const hidden = await git.read(['commit-tree', '-p', 'main', '-m', 'hidden', 'main^{tree}'], { cwd: work })
    await git.run(['push', '-q', bare, `${hidden}:refs/hidden/x`], { cwd: work })
    await git.run(['repack', '-adq'], { cwd: bare })
    const all = await loadRepository(bare)
    await assert.rejects(ours(hidden, {}, all), /not a valid object name/)
    await assert.rejects(ours(hidden.slice(0, 10), {}, all), /not a valid object name/)
    assert.equal(parseObjectName('refs/hidden/x', all.refs, 'sha1'), null)
  })
  test('umask, and the attributes left alone', async () => {
    await assertSame(
      await ours('main', { umask: 0o022 }),
      execFileSync('git', ['-C', bare, '-c', 'tar.umask=0022', 'archive', 'main'], { maxBuffer: 1 << 28 }),
    )
    const plain = await ours('main', { usesAttributes: false, pathspecs: ['ignored.txt'] })
    assert.match(latin1(plain), /ignored\.txt/)
  })
  test('an empty tree, and a repository with SHA-256', async () => {
    const other = folder.join('sha256')
    await git.run(['init', '-q', '-b', 'main', '--object-format=sha256', other])
    await git.commit(other, {}, 'nothing')
    await git.commit(
      other,
      { 'a.subst': '$Format:%H %h %t %p$', '.gitattributes': '*.subst export-subst', [`${'l'.repeat(130)}`]: 'x' },
      'more',
    )
    const from = await loadWork(other)
    await assertSame(await ours('main', {}, from), gits(['main'], other))
    await assertSame(await ours('main~1', {}, from), gits(['main~1'], other))
    await assertSame(await ours('main~1', { prefix: 'p/' }, from), gits(['--prefix=p/', 'main~1'], other))
  })
  test('gzip holds the same', async () => {
    await assertSame(gunzipSync(await ours('main', { format: 'tar.gz' })), gits(['main']))
    await assertSame(gunzipSync(await ours('main', { format: 'tar.gz', level: 1 })), gits(['main']))
  })
})

describe('zip', () => {
  test('unpacks to what the tar archive unpacks to, links and modes included', async () => {
    for (const level of [-1, 0, 9]) {
      const zip = folder.join(`own${level}.zip`)
      writeFileSync(zip, await ours('main', { format: 'zip', prefix: 'p/', level }))
      const [a, b] = [folder.join(`zip${level}`), folder.join(`tar${level}`)]
      execFileSync('unzip', ['-q', '-d', a, zip], { env: { ...process.env, LC_ALL: 'C.UTF-8' } })
      mkdirSync(b)
      execFileSync('tar', ['-xf', '-', '-C', b], { input: gits(['--prefix=p/', 'main']) })
      execFileSync('diff', ['-r', '--no-dereference', a, b])
      assert.equal(execFileSync('readlink', [`${a}/p/bin/link`]).toString(), '../README.md\n')
      execFileSync('test', ['-x', `${a}/p/bin/run.sh`])
      execFileSync('unzip', ['-tq', zip])
    }
  })
  test('lists what git’s lists, with the commit as comment', async () => {
    const own = folder.join('list.zip')
    const theirs = folder.join('list-git.zip')
    writeFileSync(own, await ours('main', { format: 'zip' }))
    writeFileSync(theirs, gits(['--format=zip', 'main']))
    const list = (path: string) =>
      execFileSync('unzip', ['-Zs', path], { env: { ...process.env, TZ: 'UTC' } })
        .toString()
        .replace(/^.*\n.*\n/, '')
    const rows = (path: string) =>
      list(path)
        .split('\n')
        .slice(0, -2)
        .map((line) => line.replace(/^(\S+) +(\S+) (\S+) +(\d+) (\S+) \S+/, '$1 $3 $4 $5'))
    assert.deepEqual(rows(own), rows(theirs))
    const comment = execFileSync('unzip', ['-z', own]).toString()
    assert.match(comment, new RegExp(await git.read(['rev-parse', 'main'], { cwd: bare })))
  })
})

test('a file too large for memory goes through in pieces', async () => {
  const other = folder.join('large')
  await git.run(['init', '-q', '-b', 'main', other])
  const large = new Uint8Array(20 << 20).map((_, i) => (i * 7) ^ (i >> 9))
  await git.commit(other, { large, 'large.txt': 'line\n'.repeat(2_000_000), '.gitattributes': '*.txt text eol=crlf' }, 'large')
  const from = await loadWork(other)
  await assertSame(await ours('main', {}, from), gits(['main'], other))
  const zip = folder.join('large.zip')
  writeFileSync(zip, await ours('main', { format: 'zip' }, from))
  execFileSync('unzip', ['-tq', zip])
  assert.ok(execFileSync('unzip', ['-p', zip, 'large'], { maxBuffer: 1 << 28 }).equals(large))
})

test('describe names a commit as git does, in all shapes of history', async () => {
  const other = folder.join('described')
  await git.run(['init', '-q', '-b', 'main', other])
  const subst = (template: string) => ({ 'd.subst': `$Format:${template}$`, '.gitattributes': '*.subst export-subst' })
  let clock = 1_700_000_000
  const commit = async (message: string, template = '%(describe)') => {
    const env = { GIT_COMMITTER_DATE: `${(clock += 60)} +0000`, GIT_AUTHOR_DATE: `${clock} +0000` }
    for (const [name, text] of Object.entries(subst(template))) writeFileSync(folder.join('described', name), text)
    await git.run(['add', '-A'], { cwd: other })
    await git.run(['commit', '-q', '--allow-empty', '-m', message], { cwd: other, env })
  }
  await commit('no tag yet')
  await commit('one')
  await git.run(['tag', '-a', '-m', 'x', 'v1'], { cwd: other })
  for (let i = 0; i < 5; i++) await commit(`past ${i}`)
  await git.run(['switch', '-qc', 'side', 'HEAD~3'], { cwd: other })
  for (let i = 0; i < 4; i++) await commit(`side ${i}`)
  await git.run(['tag', '-a', '-m', 'x', 'w2'], { cwd: other })
  await git.run(['tag', 'light'], { cwd: other })
  await git.run(['tag', '-a', '-m', 'later', 'w3'], { cwd: other, env: { GIT_COMMITTER_DATE: '1800000000 +0000' } })
  await commit('after the tag', '%(describe:tags=true,match=l*)')
  await git.run(['switch', '-q', 'main'], { cwd: other })
  await git.run(['merge', '-q', '-X', 'ours', '-m', 'merged', 'side'], { cwd: other })
  for (const template of [
    '%(describe)',
    '%(describe:match=v*)',
    '%(describe:exclude=w*,abbrev=12)',
    '%(describe:abbrev=0)',
    '%(describe:x=1)',
    '%(describe:tags)',
  ]) {
    await commit('with another question', template)
  }
  const from = await loadWork(other)
  const commits = (await git.read(['rev-list', '--all'], { cwd: other })).split('\n')
  assert.ok(commits.length > 15)
  for (const oid of commits) await assertSame(await ours(oid as ObjectId, {}, from), gits([oid], other))
})

test('names of refs that are not ASCII go into files as their own bytes', async () => {
  const other = folder.join('names')
  await git.run(['init', '-q', '-b', 'größe', other])
  const text = '$Format:%D %(describe:match=v\u00fc*,match=\u5b57)$'
  await git.commit(other, { 'd.subst': text, '.gitattributes': '*.subst export-subst' }, 'one')
  for (const name of ['vüber', '字']) await git.run(['tag', '-a', '-m', 'x', name], { cwd: other })
  const from = await loadWork(other)
  await assertSame(await ours('größe', {}, from), gits(['größe'], other))
})

test('patterns by which a worker could be held for hours are refused', async () => {
  const other = folder.join('patterns')
  await git.run(['init', '-q', '-b', 'main', other])
  const dear = `${'*a'.repeat(900)} ident\n`
  await git.commit(other, { 'a.txt': 'a', 'folder/.gitattributes': dear.repeat(100), 'folder/b.txt': 'b' }, 'patterns')
  const from = await loadWork(other)
  await assert.rejects(ours('main', {}, from), /folder\/\.gitattributes has too many patterns/)
  assert.ok((await ours('main', { usesAttributes: false }, from)).length > 0)
  await assert.rejects(ours('main', { pathspecs: ['*a'.repeat(20_000)] }, from), /pathspecs with too many wildcards/)
  // by the length of what is compared with: a name that no file system takes
  const far = folder.join('long-name')
  await git.run(['init', '-q', '-b', 'main', far])
  const blob = await git.read(['hash-object', '-w', '--stdin'], { cwd: far, input: 'x' })
  const tree = await git.read(['mktree'], { cwd: far, input: `100644 blob ${blob}\t${'n'.repeat(40_000)}\n` })
  await git.run(['update-ref', 'refs/heads/main', await git.read(['commit-tree', '-m', 'long', tree], { cwd: far })], { cwd: far })
  await assert.rejects(ours('main', {}, await loadWork(far)), /path too long/)
})

describe('an archive under way', () => {
  const task = (): ArchiveTask => {
    const name = parseObjectName('main', served.refs, 'sha1')
    assert.ok(name)
    return {
      name,
      tips: new Uint8Array(0),
      format: 'zip',
      level: 9,
      prefix: '',
      pathspecs: [],
      usesAttributes: true,
      tellsPaths: true,
      umask: 2,
      time: null,
      now: 0,
    }
  }
  test('tells its paths', async () => {
    const archive = await openArchive(served.repository, task())
    const told: string[] = []
    for await (const item of archive.stream({ decorations: [], tags: [] })) if ('path' in item) told.push(item.path)
    assert.ok(told.includes('bin/') && told.includes('bin/run.sh') && told.includes(latin1(utf8('ünïcödé/ñ.txt'))))
  })
  test('ends when nobody waits for it', async () => {
    // as deep a bomb as fits into a few objects: ten thousand million files, were it walked to its end
    const bomb = folder.join('bomb')
    await git.run(['init', '-q', '-b', 'main', bomb])
    let tree = `100644 blob ${await git.read(['hash-object', '-w', '--stdin'], { cwd: bomb, input: 'x' })}`
    for (let level = 0; level < 10; level++) {
      const entries = Array.from({ length: 10 }, (_, i) => `${tree}\t${i}\n`).join('')
      tree = `040000 tree ${await git.read(['mktree'], { cwd: bomb, input: entries })}`
    }
    const commit = await git.read(['commit-tree', '-m', 'bomb', tree.slice(-40)], { cwd: bomb })
    await git.run(['update-ref', 'refs/heads/main', commit], { cwd: bomb })
    const from = await loadWork(bomb)
    const gone = new AbortController()
    const name = parseObjectName('main', from.refs, 'sha1')
    assert.ok(name)
    const archive = await openArchive(from.repository, { ...task(), name, format: 'tar', level: -1, tellsPaths: false }, gone.signal)
    let bytes = 0
    await assert.rejects(async () => {
      for await (const item of archive.stream({ decorations: [], tags: [] })) {
        bytes += item instanceof Uint8Array ? item.length : 0
        if (bytes > 4 << 20) gone.abort(new Error('the client left'))
      }
    }, /the client left/)
    await assert.rejects(
      openArchive(from.repository, { ...task(), name, pathspecs: ['nothing'] }, AbortSignal.abort(new Error('gone'))),
      /gone|did not match/,
    )
  })
})

/** The same with time and checksum of every header made zero. */
function withoutTimes(tar: Buffer): Buffer {
  const out = Buffer.from(tar)
  for (let at = 0; at < out.length; at += 512) {
    if (latin1(out.subarray(at + 257, at + 262)) !== 'ustar') continue
    out.fill(0, at + 136, at + 156)
  }
  return out
}
