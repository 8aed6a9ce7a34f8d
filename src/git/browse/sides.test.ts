// Ahead, behind and merge bases against git's own, for all pairs of commits of tangled histories whose dates lie; read from objects, and out of a history
// table that has all of them, or the older half.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { gitPackSet, loadGitPack } from '../../../tests/support/git-pack.ts'
import { Git, TempFolder } from '../../../tests/support/git.ts'
import { Seeded, seedOfRun } from '../../../tests/support/seeded.ts'
import { fromHex, hex } from '../../base/index.ts'
import { ObjectCache, ObjectReader, type PackSet } from '../odb/index.ts'
import { buildHistory } from '../upload-pack/build-history.ts'
import { openFetchRepository, paced, type PacedRepository } from '../upload-pack/repository.ts'
import { compareSides, countReached } from './sides.ts'

const folder = new TempFolder('sides')
const git = new Git(folder)
const seed = seedOfRun('sides')
after(() => folder.remove())

const size = 60

/** Its branches b1 … b60, as packs: the first half of the commits, and the rest. */
async function tangled(): Promise<{ path: string; ids: string[]; packs: Awaited<ReturnType<typeof loadGitPack>>[] }> {
  const random = new Seeded(seed)
  const path = folder.join('tangled.git')
  await git.run(['init', '-q', '--bare', path])
  let stream = ''
  for (let n = 1; n <= size; n++) {
    // criss-cross: few young parents, several each; and now and then a history of its own
    const isRoot = n === 1 || random.below(25) === 0
    const parents = isRoot ? [] : [...new Set(Array.from({ length: 1 + random.below(3) }, () => Math.max(1, n - 1 - random.below(6))))]
    const time = 1_000_000_000 + random.below(500_000_000)
    stream += `commit refs/heads/b${n}\nmark :${n}\ncommitter A <a@example.com> ${time} +0000\ndata ${`${n}`.length}\n${n}\n`
    stream += parents.map((parent, i) => `${i === 0 ? 'from' : 'merge'} :${parent}\n`).join('')
  }
  await git.run(['fast-import', '--quiet'], { cwd: path, input: stream })
  const listed = (await git.read(['for-each-ref', '--format=%(refname:short) %(objectname)'], { cwd: path })).split('\n')
  const ids: string[] = []
  for (const line of listed) ids[Number(line.slice(1).split(' ')[0])] = line.split(' ')[1] as string
  const pack = async (name: string, revisions: readonly string[]) => {
    const { stdout } = await git.run(['pack-objects', '-q', '--revs', folder.join(name)], { cwd: path, input: `${revisions.join('\n')}\n` })
    return await loadGitPack(folder.join(`${name}-${stdout.trim()}`), 'sha1')
  }
  const older = ids.slice(1, size / 2)
  return { path, ids, packs: [await pack('older', older), await pack('newer', [...ids.slice(1), ...older.map((id) => `^${id}`)])] }
}

const open = (set: PackSet, table: Uint8Array | null): PacedRepository =>
  paced(openFetchRepository(set, new ObjectReader(set, new ObjectCache(1 << 20)), table))

test('ahead, behind, merge bases, counts', async () => {
  const { ids, packs, path } = await tangled()
  const [older] = packs
  const set = gitPackSet(packs, 'sha1')
  const tableOf = async (some: PackSet) => await buildHistory(open(some, null))
  const repositories = [open(set, null), open(set, await tableOf(gitPackSet(older ? [older] : [], 'sha1'))), open(set, await tableOf(set))]
  assert.deepEqual(
    repositories.map(({ history }) => history.commits.length > 0),
    [false, true, true],
  )
  const random = new Seeded(seed + 1)
  for (let n = 0; n < 50; n++) {
    const [left, right] = [ids[1 + random.below(size)] as string, ids[1 + random.below(size)] as string]
    const counts = await git.read(['rev-list', '--left-right', '--count', `${left}...${right}`], { cwd: path })
    const { stdout } = await git.run(['merge-base', '--all', left, right], { cwd: path, mayFail: true })
    const count = await git.read(['rev-list', '--count', left], { cwd: path })
    const bases = stdout
      .split('\n')
      .filter((line) => line !== '')
      .sort()
    for (const repository of repositories) {
      const number = (id: string) => repository.set.find(fromHex(id), 0)
      const sides = await compareSides(repository, number(left), number(right))
      assert.equal(`${sides.leftCount}\t${sides.right.size}`, counts, `${left}...${right}`)
      assert.deepEqual(sides.bases.map((base) => hex(repository.set.oid(base))).sort(), bases, `${left} ${right}`)
      assert.equal(String(await countReached(repository, number(left))), count, left)
    }
  }
})
