// A history table over sets that its packs are only a part of.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { gitPackSet, loadGitPack } from '../../../tests/support/git-pack.ts'
import { Git, TempFolder } from '../../../tests/support/git.ts'
import { blob, type BuiltObject, commit, PackBuilder, tree } from '../../../tests/support/pack-builder.ts'
import { storePack } from '../../../tests/support/stored-packs.ts'
import { fromHex, InputError } from '../../base/index.ts'
import { decodeHistory, encodeHistory } from '../format/history-table.ts'
import { ObjectCache, ObjectReader, type PackSet } from '../odb/index.ts'
import { buildHistory } from './build-history.ts'
import { Mark } from './commit-walk.ts'
import { openHistory } from './history.ts'
import { openFetchRepository, paced } from './repository.ts'
import { selectObjects } from './selection.ts'

const folder = new TempFolder('history')
const git = new Git(folder)
after(() => folder.remove())

const reader = (set: PackSet) => new ObjectReader(set, new ObjectCache(8 << 20))

test('a larger pack that came later holds copies: numbers stay, or follow where it counted; another order of packs makes the table useless', async () => {
  const work = folder.join('work')
  await git.makeRepository(work, 6)
  const pack = async (name: string, ...revisions: string[]) => {
    const { stdout } = await git.run(['pack-objects', '-q', '--revs', folder.join(name)], { cwd: work, input: `${revisions.join('\n')}\n` })
    return await loadGitPack(folder.join(`${name}-${stdout.trim()}`), 'sha1')
  }
  const small = await pack('small', 'HEAD')
  const files = Array.from({ length: 4200 }, (_, i) => `M 644 inline many/${i}\ndata ${`${i}`.length}\n${i}\n`).join('')
  const stream = `commit refs/heads/main\ncommitter A <a@b> 1700000000 +0000\ndata 0\nfrom refs/heads/main^0\n${files}`
  await git.run(['fast-import', '--quiet', '--force'], { cwd: work, input: stream })
  const large = await pack('large', 'HEAD')
  assert.ok(large.index.count > 4096)
  const before = gitPackSet([small], 'sha1')
  const table = await buildHistory(paced(openFetchRepository(before, reader(before))))
  const set = gitPackSet([small, large], 'sha1')
  const repository = paced(openFetchRepository(set, reader(set), table))
  assert.equal(repository.history.commits.length, 6)
  for (const commit of repository.history.commits) assert.equal(set.find(set.oid(commit), 0), commit)
  const tip = set.find(fromHex(await git.read(['rev-parse', 'HEAD'], { cwd: work })), 0)
  const old = set.find(fromHex(await git.read(['rev-parse', 'HEAD~3'], { cwd: work })), 0)
  const ask = { wants: [tip], haves: [old], grafts: [], filter: null, thinPack: true, ofsDelta: true, tags: [] }
  const listed = (await git.read(['rev-list', '--objects', '--no-object-names', 'HEAD', '^HEAD~3'], { cwd: work })).split('\n')
  const { marks } = await selectObjects(repository, ask)
  const sent = Array.from(marks.keys()).filter((number) => (marks[number] as number) & Mark.send)
  assert.deepEqual(
    sent.toSorted((a, b) => a - b),
    listed.map((id) => set.find(fromHex(id), 0)).sort((a, b) => a - b),
  )
  assert.equal(openHistory(table, gitPackSet([large, small], 'sha1')), null)
  // as tables were made when the large pack's copies counted
  const whole = decodeHistory(await buildHistory(repository))
  const moved = (numbers: Uint32Array) =>
    numbers.map((number) => {
      const copy = number < small.index.count ? large.index.find(small.index.oid(number), 0) : -1
      return copy < 0 ? number : small.index.count + copy
    })
  const lists = { commits: moved(whole.commits), trees: moved(whole.trees), added: moved(whole.added), older: moved(whole.older) }
  assert.notDeepEqual(lists.commits, whole.commits)
  const opened = openHistory(encodeHistory({ ...whole, ...lists }), set)
  for (const name of ['commits', 'trees', 'added', 'older'] as const) assert.deepEqual(opened?.[name], new Uint32Array(whole[name]))
})

test('a history that goes back and forth between two large trees gets no table, which would be far larger than all that is stored; fetches do without', async () => {
  const trees = [0, 1].map((which) => Array.from({ length: 1500 }, (_, i) => blob(`${which} ${i}`)))
  const roots = trees.map((blobs) => tree(...blobs.map(({ id }, i) => ['100644', `${10_000 + i}`, id] as const)))
  const commits: BuiltObject[] = []
  for (let i = 0; i < 800; i++) commits.push(commit(roots[i % 2]?.id as string, i > 0 ? [commits[i - 1]?.id as string] : []))
  const objects = [...trees.flat(), ...roots, ...commits]
  const stored = await storePack(new PackBuilder().addAll(...objects).build(), gitPackSet([], 'sha1'))
  const set = gitPackSet([stored], 'sha1')
  const repository = paced(openFetchRepository(set, reader(set)))
  await assert.rejects(buildHistory(repository), (error: unknown) => error instanceof InputError && error.code === 'history-too-large')
  const tip = set.find(fromHex(commits.at(-1)?.id as string), 0)
  for (let i = 0; i < 2; i++) {
    const { marks } = await selectObjects(repository, {
      wants: [tip],
      haves: [],
      grafts: [],
      filter: null,
      thinPack: false,
      ofsDelta: true,
      tags: [],
    })
    assert.equal(marks.filter((mark) => mark & Mark.send).length, objects.length)
  }
})
