// fsck against its table, and against the real git on the same objects (`git fsck`, `git hash-object`) and on random trees.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { deflateSync } from 'node:zlib'
import fc from 'fast-check'
import { Git, TempFolder } from '../../../../tests/support/git.ts'
import { concatBytes, fromHex } from '../../../base/index.ts'
import { encodeObjectHeader, hashObject, objectIdOf } from '../object.ts'
import { Kind, kindName, type ObjectFormat, type ObjectId } from '../object-id.ts'
import { commitCases, type FsckCase, gitattributesCases, gitmodulesCases, tagCases, tree, treeCases } from './fsck.cases.ts'
import {
  type Finding,
  type FsckOptions,
  formatFinding,
  fsckIds,
  fsckObject,
  fsckSpecial,
  parseFsckId,
  refusesPush,
  type SpecialRole,
} from './index.ts'

/** Processor time of this process: limits hold on a busy machine too. */
const cpuMs = () => process.cpuUsage().user / 1000

const idsOf = (findings: readonly Finding[]) => findings.map(({ id }) => id)
const blobs: readonly (FsckCase & { readonly role: SpecialRole })[] = [
  ...gitmodulesCases.map((one) => ({ ...one, role: 'gitmodules' as const })),
  ...gitattributesCases.map((one) => ({ ...one, role: 'gitattributes' as const })),
]

describe('each id, by the table', () => {
  for (const { name, kind, bytes, ids } of [...treeCases, ...commitCases, ...tagCases]) {
    test(`${kindName(kind)}: ${name}`, () => assert.deepEqual(idsOf(fsckObject(kind, bytes, 'sha1')), ids))
  }
  for (const { name, bytes, ids, role } of blobs) {
    test(`${role}: ${name}`, () => assert.deepEqual(idsOf(fsckObject(Kind.blob, bytes, 'sha1', { roles: [role] })), ids))
  }
})

describe('options', () => {
  const one = treeCases.find(({ ids }) => ids.join() === 'hasDot') as FsckCase
  const severities = (options: FsckOptions) => fsckObject(Kind.tree, one.bytes, 'sha1', options).map(({ severity }) => severity)

  test('a warning is an error to a push, and stays a warning without strict', () => {
    assert.deepEqual([severities({}), severities({ strict: false })], [['error'], ['warning']])
    assert.equal(refusesPush(fsckObject(Kind.tree, one.bytes, 'sha1')), true)
    assert.equal(refusesPush(fsckObject(Kind.tree, tree('100600 a'), 'sha1')), false)
  })
  test('severities by id are final, but a fatal id stays an error', () => {
    assert.deepEqual(severities({ severities: { hasDot: 'warning' } }), ['warning'])
    assert.deepEqual(severities({ severities: { hasDot: 'ignore' } }), [])
    const fatal = fsckObject(Kind.commit, new Uint8Array(), 'sha1', { severities: { unterminatedHeader: 'ignore' } })
    assert.deepEqual(fatal, [{ id: 'unterminatedHeader', severity: 'error', message: 'unterminated header' }])
  })
  test('reading goes on after a lowered finding', () => {
    const bytes = Buffer.from(`tree x\nparent y\nauthor A <a> 1 1\ncommitter B\n\n\0`)
    const lowered = { badTreeSha1: 'warning', badParentSha1: 'ignore', badTimezone: 'warning', missingEmail: 'warning' } as const
    const found = idsOf(fsckObject(Kind.commit, bytes, 'sha1', { severities: lowered }))
    assert.deepEqual(found, ['badTreeSha1', 'badTimezone', 'missingEmail', 'nulInCommit'])
  })
  test('extra headers of a tag are found when asked for', () => {
    const { bytes } = tagCases.find(({ name }) => name === 'more headers') as FsckCase
    assert.deepEqual(idsOf(fsckObject(Kind.tag, bytes, 'sha1', { severities: { extraHeaderEntry: 'error' } })), ['extraHeaderEntry'])
  })
  test('the skip list silences an object, and a tree on it still tells of its special files', () => {
    const bytes = tree('100644 .gitmodules', '100644 .git')
    const oid = objectIdOf(Kind.tree, bytes, 'sha1')
    const told: SpecialRole[] = []
    const options = { oid, skip: new Set([oid]), onSpecial: (role: SpecialRole) => told.push(role) }
    assert.deepEqual(fsckObject(Kind.tree, bytes, 'sha1', options), [])
    assert.deepEqual(told, ['gitmodules'])
  })
  test('special files are told by any disguise, with their ids', () => {
    const told: string[] = []
    const bytes = tree('100644 .GitAttributes', ['100644 GI7EBA~1', 'cd'.repeat(20)], '100644 a\\.gitmodules')
    fsckObject(Kind.tree, bytes, 'sha1', { onSpecial: (role, oid) => told.push(`${role} ${Buffer.from(oid).toString('hex').slice(0, 4)}`) })
    assert.deepEqual(told, ['gitattributes 1717', 'gitmodules cdcd', 'gitmodules 1717'])
  })
  test('what stands where a special file should', () => {
    assert.deepEqual(fsckSpecial('gitmodules', 'large'), [
      { id: 'gitmodulesLarge', severity: 'error', message: '.gitmodules too large to parse' },
    ])
    assert.equal(fsckSpecial('gitmodules', 'not-a-blob')[0]?.message, 'non-blob found at .gitmodules')
    assert.equal(fsckSpecial('gitattributes', 'missing')[0]?.message, 'unable to read .gitattributes blob')
    assert.equal(fsckSpecial('gitattributes', 'large')[0]?.id, 'gitattributesLarge')
  })
  test('ids are read in any case, findings are printed as git prints them', () => {
    for (const id of fsckIds) assert.equal(parseFsckId(id.toUpperCase()), id)
    assert.equal(parseFsckId('nothing'), null)
    const [finding] = fsckObject(Kind.tree, one.bytes, 'sha1')
    assert.equal(formatFinding('ab' as ObjectId, finding as Finding), "error: object ab: hasDot: contains '.'")
  })
  test('faults without number cost bounded memory and time', () => {
    const startedAt = cpuMs()
    const many = Buffer.from(`[submodule "..${'/x'.repeat(4_000_000)}"]\n${'p\n'.repeat(1_000_000)}\turl=-x\n`)
    const roles = ['gitmodules'] as const
    assert.equal(fsckObject(Kind.blob, many, 'sha1', { roles }).length, 2000)
    const lowered = fsckObject(Kind.blob, many, 'sha1', { roles, severities: { gitmodulesName: 'warning' } })
    assert.deepEqual([lowered.length, lowered.at(-1)?.id], [1001, 'gitmodulesUrl'])
    assert.deepEqual(idsOf(fsckObject(Kind.blob, new Uint8Array(17 << 20), 'sha1', { roles })), ['gitmodulesLarge'])
    const links = concatBytes([tree(...Array.from({ length: 100_000 }, () => '120000 .gitmodules')), tree('100644 a')])
    assert.equal(fsckObject(Kind.tree, links, 'sha1').length, 2000)
    assert.ok(cpuMs() - startedAt < 5000)
  })
  test('SHA-256 objects have longer ids', () => {
    const id = 'ab'.repeat(32)
    const commit = Buffer.from(`tree ${id}\nparent ${id}\nauthor A <a> 1 +0000\ncommitter A <a> 1 +0000\n\n`)
    assert.deepEqual(fsckObject(Kind.commit, commit, 'sha256'), [])
    assert.deepEqual(idsOf(fsckObject(Kind.commit, commit, 'sha1')), ['badTreeSha1'])
    assert.deepEqual(fsckObject(Kind.tree, concatBytes([Buffer.from('100644 a\0'), fromHex(id)]), 'sha256'), [])
  })
})

describe('the real git', () => {
  const temp = new TempFolder('stemma-fsck')
  const git = new Git(temp)
  let version = 0
  before(async () => {
    version = Number(
      /(\d+)\.(\d+)/
        .exec(await git.read(['version']))
        ?.slice(1)
        .map((part, i) => (i ? part.padStart(2, '0') : part))
        .join('.'),
    )
  })
  after(() => temp.remove())

  async function makeRepository(name: string, format: ObjectFormat = 'sha1'): Promise<string> {
    const path = temp.join(name)
    await git.run(['init', '-q', '--bare', `--object-format=${format}`, path])
    return path
  }

  /** What `git fsck --strict` says of those objects: `severity id: message` by object id. */
  async function gitFsck(path: string): Promise<Map<string, string[]>> {
    const { stdout, stderr } = await git.run(['fsck', '--strict', '--no-dangling', '--no-progress'], {
      cwd: path,
      mayFail: true,
      timeoutMs: 120_000,
    })
    const said = new Map<string, string[]>()
    for (const line of `${stdout}\n${stderr}`.split('\n')) {
      const [, severity = '', oid = '', text = ''] = /^(error|warning) in \w+ ([0-9a-f]+): (.*)$/.exec(line) ?? []
      if (oid !== '' && text !== 'broken links') said.set(oid, [...(said.get(oid) ?? []), `${severity} ${text}`])
      const unread = /^error: ([0-9a-f]{40,64}): object could not be parsed/.exec(line)?.[1]
      if (unread !== undefined) said.set(unread, ['unparsed'])
    }
    return said
  }

  const ours = (findings: readonly Finding[]) =>
    findings.map(({ id, severity, message }) => `${severity === 'error' ? 'error' : 'warning'} ${id}: ${message.split('\n', 1)[0]}`)

  test('finds the same in the table, worded the same', async () => {
    const path = await makeRepository('table')
    const cases = [...treeCases, ...commitCases, ...tagCases].filter(({ since = 0 }) => since <= version)
    for (const { kind, bytes } of cases) writeLoose(path, kind, bytes, 'sha1')
    const said = await gitFsck(path)
    let compared = 0
    for (const { name, kind, bytes } of cases) {
      const theirs = said.get(objectIdOf(kind, bytes, 'sha1')) ?? []
      // What git can't parse it doesn't check further; `git hash-object` below speaks about those.
      if (theirs[0] === 'unparsed') continue
      compared++
      assert.deepEqual(theirs, ours(fsckObject(kind, bytes, 'sha1')), `${kindName(kind)}: ${name}`)
    }
    assert.ok(compared > cases.length / 2, `${compared} of ${cases.length} compared`)
  })

  test('refuses to make the same objects', async (context) => {
    if (version < 2.4) return context.skip(`git ${version} makes objects without fsck; 2.40 is needed`)
    const path = await makeRepository('make')
    const severities = Object.fromEntries(fsckIds.filter((id) => id !== 'extraHeaderEntry').map((id) => [id, 'error'] as const))
    for (const { name, kind, bytes, since = 0 } of [...treeCases, ...commitCases, ...tagCases]) {
      if (since > version) continue
      const result = await git.run(['hash-object', '-t', kindName(kind), '--stdin'], { cwd: path, input: bytes, mayFail: true })
      const said = [...result.stderr.matchAll(/^error: object fails fsck: (.*)$/gm)].map((match) => match[1])
      assert.deepEqual(
        said,
        fsckObject(kind, bytes, 'sha1', { severities }).map(({ id, message }) => `${id}: ${message}`),
        `${kindName(kind)}: ${name}`,
      )
    }
    return undefined
  })

  test('finds the same in .gitmodules and .gitattributes', async () => {
    const path = await makeRepository('blobs')
    for (const { bytes, role } of blobs) {
      writeLoose(path, Kind.blob, bytes, 'sha1')
      writeLoose(path, Kind.tree, tree([`100644 .${role}`, objectIdOf(Kind.blob, bytes, 'sha1')]), 'sha1')
    }
    const said = await gitFsck(path)
    for (const { name, bytes, role, since = 0 } of blobs) {
      if (since > version) continue
      const roles = blobs.filter((other) => Buffer.compare(other.bytes, bytes) === 0).map((other) => other.role)
      assert.deepEqual(
        said.get(objectIdOf(Kind.blob, bytes, 'sha1')) ?? [],
        ours(fsckObject(Kind.blob, bytes, 'sha1', { roles })),
        `${role}: ${name}`,
      )
    }
  })

  test('finds the same in random trees', async () => {
    const path = await makeRepository('random')
    const trees = fc.sample(anyTree, { numRuns: 700, seed: 7 })
    for (const bytes of trees) writeLoose(path, Kind.tree, bytes, 'sha1')
    const said = await gitFsck(path)
    let faulty = 0
    for (const bytes of trees) {
      const theirs = said.get(objectIdOf(Kind.tree, bytes, 'sha1')) ?? []
      if (theirs.length > 0) faulty++
      if (theirs[0] === 'unparsed') continue
      const found = fsckObject(Kind.tree, bytes, 'sha1').filter(({ id }) => version >= 2.44 || id !== 'largePathname')
      assert.deepEqual(theirs, ours(found), JSON.stringify(Buffer.from(bytes).toString('latin1')))
    }
    assert.ok(faulty > 300, `${faulty} trees had faults`)
  })
})

/** Trees of names that are, nearly are, or hide git's own, out of parts. */
const piece = fc.constantFrom(
  '.git',
  '.GIT',
  'git~1',
  'git',
  '.',
  '..',
  ' ',
  ':',
  '\\',
  '/',
  '~1',
  '~12',
  'gitmod',
  '.gitmodules',
  'gi7eba',
  '.gitattributes',
  'gi7d29',
  '.gitignore',
  '.mailmap',
  'maba30',
  '\xe2\x80\x8c',
  '\xef\xbb\xbf',
  '\xe2\x80',
  '\xef\xbf\xbe',
  '\xed\xa0\x80',
  '\xf0\x9f\x98\x80',
  'a',
  '-',
  '0',
  'x',
  '\xff',
  'g',
  'i',
  't',
  '.g',
)
const anyName = fc.oneof(
  fc.array(piece, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('')),
  fc.constantFrom('a', 'a.b', 'a-b', 'a0', 'ab'),
)
const anyMode = fc.constantFrom(
  '100644',
  '100644',
  '100644',
  '100755',
  '120000',
  '120000',
  '40000',
  '40000',
  '160000',
  '100664',
  '040000',
  '100600',
  '300644',
  '20100644',
)
const anyTree = fc
  .array(fc.tuple(anyMode, anyName), { minLength: 1, maxLength: 6 })
  .chain((entries) => fc.boolean().map((isSorted) => (isSorted ? [...entries].sort((a, b) => (a[1] < b[1] ? -1 : 1)) : entries)))
  .map((entries) => tree(...entries.map(([mode, name]) => `${mode} ${name}`)))

function writeLoose(repository: string, kind: Kind, bytes: Uint8Array, format: ObjectFormat): void {
  const oid = Buffer.from(hashObject(kind, bytes, format)).toString('hex')
  mkdirSync(`${repository}/objects/${oid.slice(0, 2)}`, { recursive: true })
  writeFileSync(
    `${repository}/objects/${oid.slice(0, 2)}/${oid.slice(2)}`,
    deflateSync(concatBytes([encodeObjectHeader(kind, bytes.length), bytes])),
  )
}
