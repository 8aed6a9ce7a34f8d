// Partial clones' selections, held against git's own: rev-list with the same filter over the same repository.
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { loadRepository } from '../../../tests/support/fetch-server.ts'
import { git, makeHistory } from '../../../tests/support/history.ts'
import { fromHex, hex, InputError } from '../../base/index.ts'
import type { FilterSpec } from '../format/filter-spec.ts'
import { buildHistory } from './build-history.ts'
import { Mark } from './commit-walk.ts'
import { openFetchRepository, paced, type PacedRepository } from './repository.ts'
import { selectObjects } from './selection.ts'

let folder: string
let patterns: string
const ways = new Map<string, PacedRepository>()

before(async () => {
  folder = makeHistory(160)
  patterns = git(folder, ['hash-object', '-w', '--stdin'], '/*\n!/*/\n/folder1/\n/folder2/*/file3.txt\n!sub4/\nfile5.*\n').toString().trim()
  const tree = git(folder, ['mktree'], `100644 blob ${patterns}\tpatterns\n`).toString().trim()
  const commit = git(folder, ['-c', 'user.name=a', '-c', 'user.email=a@b', 'commit-tree', '-m', 'p', tree]).toString().trim()
  git(folder, ['update-ref', 'refs/heads/patterns', commit])
  git(folder, ['-c', 'user.name=a', '-c', 'user.email=a@b', 'tag', '-a', '-m', 't', 'tree-tag', 'main~3^{tree}'])
  git(folder, ['repack', '-adq'])
  const { repository } = await loadRepository(folder)
  const { objects, set } = repository
  ways.set('by the table', paced(openFetchRepository(set, objects, await buildHistory(paced(repository)))))
  ways.set('by walks', { ...paced(openFetchRepository(set, objects)), exact: false })
})
after(() => rmSync(folder, { recursive: true }))

const id = (name: string) => git(folder, ['rev-parse', name]).toString().trim()

function cases(): [string, FilterSpec][] {
  const sparse: FilterSpec = { kind: 'sparse:oid', name: patterns }
  return [
    ['blob:none', { kind: 'blob:none' }],
    ['blob:limit=0', { kind: 'blob:limit', sizeBytes: 0 }],
    ['blob:limit=800', { kind: 'blob:limit', sizeBytes: 800 }],
    ...[0, 1, 2, 3, 4, 100_000].map((depth): [string, FilterSpec] => [`tree:${depth}`, { kind: 'tree', depth }]),
    ...(['commit', 'tree', 'blob', 'tag'] as const).map((type): [string, FilterSpec] => [
      `object:type=${type}`,
      { kind: 'object:type', type },
    ]),
    [`sparse:oid=${patterns}`, { kind: 'sparse:oid', name: patterns }],
    ['sparse:oid=patterns:patterns', sparse],
    ['combine:tree:3+blob:none', { kind: 'combine', filters: [{ kind: 'tree', depth: 3 }, { kind: 'blob:none' }] }],
    [
      'combine:sparse:oid=patterns:patterns+blob:limit=900+object:type=blob',
      {
        kind: 'combine',
        filters: [
          sparse,
          {
            kind: 'combine',
            filters: [
              { kind: 'blob:limit', sizeBytes: 900 },
              { kind: 'object:type', type: 'blob' },
            ],
          },
        ],
      },
    ],
  ]
}

async function sent(repository: PacedRepository, filter: FilterSpec | null, wants: string[], haves: string[]): Promise<Set<string>> {
  const numbers = (names: string[]) => names.map((name) => repository.set.find(fromHex(id(name)), 0))
  const ask = { wants: numbers(wants), haves: numbers(haves), grafts: [], filter, thinPack: true, ofsDelta: true, tags: [] }
  const { marks } = await selectObjects(repository, ask)
  return new Set(
    Array.from(marks.keys()).flatMap((number) => ((marks[number] as number) & Mark.send ? [hex(repository.set.oid(number))] : [])),
  )
}

function listed(revisions: readonly string[], ...options: string[]): Set<string> {
  return new Set(
    git(folder, ['rev-list', '--objects', '--no-object-names', ...options, ...revisions])
      .toString()
      .split('\n')
      .slice(0, -1),
  )
}

/** Of a combination: what each part lets in. (Git itself leaves out what one part had let in where it was met first, and another only later.) */
function allowed(text: string, revisions: readonly string[]): Set<string> {
  const sets = text
    .replace(/^combine:/, '')
    .split('+')
    .map((part) => listed(revisions, `--filter=${part}`))
  return new Set([...(sets[0] as Set<string>)].filter((oid) => sets.every((set) => set.has(oid))))
}

test('everything, tips and objects that were asked for by name', async () => {
  // without the tag of a tree that is a wanted commit's too: such a tree git may leave out, though it was asked for
  const refs = git(folder, ['for-each-ref', '--format=%(refname)'])
    .toString()
    .trim()
    .split('\n')
    .filter((name) => !name.endsWith('tree-tag'))
  const asked = [refs, ['main'], ['main~50', 'main~3:folder1'], ['main:folder1/sub1', 'patterns:patterns'], ['tree-tag', 'v99']]
  for (const [text, filter] of cases()) {
    for (const wants of asked) {
      const expected = allowed(text, wants.map(id)) // by id, as over the wire: git knows the path of a name
      for (const [way, repository] of ways)
        assert.deepEqual([...(await sent(repository, filter, wants, []))].sort(), [...expected].sort(), `${text} ${wants.join(' ')} ${way}`)
    }
  }
})

test('what the client has is left out too', async () => {
  for (const [text, filter] of cases()) {
    const expected = allowed(text, ['main', 'v49', '^main~20'])
    const held = listed(['main~20'])
    for (const [way, repository] of ways) {
      const found = await sent(repository, filter, ['main', 'v49'], ['main~20'])
      for (const oid of found) assert.ok(expected.has(oid), `${text} ${way}: ${oid} is too much`)
      for (const oid of expected) assert.ok(found.has(oid) || held.has(oid), `${text} ${way}: ${oid} is missing`)
    }
  }
})

test('patterns that nobody finds are the client’s fault', async () => {
  for (const name of ['0'.repeat(40), 'main:patterns', id('main^{tree}')]) {
    const repository = ways.get('by the table') as PacedRepository
    await assert.rejects(sent(repository, { kind: 'sparse:oid', name }, ['main'], []), /unable to access sparse blob in/)
  }
})

test('a tree that stands for ten thousand million folders is not gone through path by path', async () => {
  const bomb = makeHistory(1)
  try {
    let tree = `100644 blob ${git(bomb, ['hash-object', '-w', '--stdin'], '*a\n').toString().trim()}`
    for (let level = 0; level < 10; level++) {
      const entries = Array.from({ length: 10 }, (_, i) => `${tree}\t${i}\n`).join('')
      tree = `040000 tree ${git(bomb, ['mktree'], entries).toString().trim()}`
    }
    const blob = git(bomb, ['hash-object', '-w', '--stdin'], '*a\n').toString().trim()
    const author = ['-c', 'user.name=a', '-c', 'user.email=a@b']
    const commit = git(bomb, [...author, 'commit-tree', '-m', 'bomb', tree.slice(-40)])
      .toString()
      .trim()
    git(bomb, ['update-ref', 'refs/heads/bomb', commit])
    git(bomb, ['repack', '-adq'])
    const { repository } = await loadRepository(bomb)
    const wants = [repository.set.find(fromHex(commit), 0)]
    const ask = { wants, haves: [], grafts: [], thinPack: true, ofsDelta: true, tags: [] }
    await assert.rejects(selectObjects(paced(repository), { ...ask, filter: { kind: 'sparse:oid', name: blob } }), InputError)
    await selectObjects(paced(repository), { ...ask, filter: { kind: 'tree', depth: 9 } })
  } finally {
    rmSync(bomb, { recursive: true })
  }
})
