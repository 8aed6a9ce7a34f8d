// Last commits, histories of paths and blame, against git's own, for every commit of histories as tangled as they come.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { after, test } from 'node:test'
import { gitPackSet, loadGitPack } from '../../../tests/support/git-pack.ts'
import { Git, TempFolder } from '../../../tests/support/git.ts'
import { makeRandomHistory, type RandomHistory } from '../../../tests/support/random-history.ts'
import { Seeded, seedOfRun } from '../../../tests/support/seeded.ts'
import { fromHex, hex, latin1, utf8 } from '../../base/index.ts'
import type { ObjectFormat } from '../format/object-id.ts'
import { decodeTree, isTreeMode } from '../format/tree.ts'
import { ObjectCache, ObjectReader } from '../odb/index.ts'
import { openFetchRepository, paced, type PacedRepository } from '../upload-pack/index.ts'
import { blame, lastCommits, pathHistory } from './index.ts'

const folder = new TempFolder('paths')
const git = new Git(folder)
const seed = seedOfRun('paths')
after(() => folder.remove())

/** @param cutOff commits that have no parents here */
async function open(path: string, format: ObjectFormat, cutOff: readonly string[] = []): Promise<PacedRepository> {
  const packs = `${path}/objects/pack`
  const [name = ''] = readdirSync(packs).filter((each) => each.endsWith('.pack'))
  const set = gitPackSet([await loadGitPack(`${packs}/${name.slice(0, -5)}`, format)], format)
  return paced(openFetchRepository(set, new ObjectReader(set, new ObjectCache(8 << 20)), null, cutOff as never[]))
}

const numberOf = ({ set }: PacedRepository, id: string) => set.find(fromHex(id), 0)
const idOf = ({ set }: PacedRepository, number: number) => hex(set.oid(number))
const bytewise = (path: string) => latin1(utf8(path))

async function assertLastCommits(repository: PacedRepository, path: string, commit: string, at: string) {
  const tree = numberOf(repository, await git.read(['rev-parse', `${commit}:${at}`], { cwd: path }))
  const bytes = await repository.objects.read(tree)
  const found = await lastCommits(repository, numberOf(repository, commit), bytewise(at), bytes)
  for (const [i, { mode, name }] of decodeTree(bytes, repository.set.format).entries()) {
    const entry = `${at === '' ? '' : `${at}/`}${Buffer.from(name).toString()}`
    const wanted = await git.read(['log', '-1', '--format=%H', commit, '--', entry], { cwd: path })
    assert.equal(idOf(repository, found[i] as number), wanted, `${commit} ${entry}`)
    if (isTreeMode(mode)) await assertLastCommits(repository, path, commit, entry)
  }
}

async function historyIn(repository: PacedRepository, commit: string, path: string, since: number | null = null): Promise<string[]> {
  const found: string[] = []
  for await (const number of pathHistory(repository, numberOf(repository, commit), bytewise(path), since))
    found.push(idOf(repository, number))
  return found
}

/** A line for each line of the file: commit, path and line there. */
async function blamed(repository: PacedRepository, commit: string, path: string): Promise<string[]> {
  const found = await blame(repository, numberOf(repository, commit), bytewise(path))
  return (found?.ranges ?? []).flatMap((range) =>
    Array.from(
      { length: range.count },
      (_, i) => `${range.start + i} ${idOf(repository, range.commit)} ${range.path} ${range.originStart + i}`,
    ),
  )
}

async function gitBlame(path: string, commit: string, file: string): Promise<string[]> {
  const { stdout } = await git.run(['-c', 'core.quotePath=false', 'blame', '--line-porcelain', commit, '--', file], { cwd: path })
  const lines: string[] = []
  let head: readonly string[] = []
  for (const line of stdout.split('\n')) {
    if (/^[0-9a-f]{40,64} \d+ \d+/.test(line)) head = line.split(' ')
    else if (line.startsWith('filename ')) lines.push(`${head[2]} ${head[0]} ${bytewise(line.slice(9))} ${head[1]}`)
  }
  return lines
}

/** @param inOrder else only which commits are listed, not in which order */
async function assertAllAsGit(repository: PacedRepository, history: RandomHistory, every: number, inOrder = true): Promise<void> {
  const { path, commits, paths } = history
  for (const [i, commit] of commits.entries()) {
    if (i % every > 0 && i < commits.length - 2) continue
    await assertLastCommits(repository, path, commit, '')
    const files = (await git.read(['-c', 'core.quotePath=false', 'ls-tree', '-r', '--name-only', commit], { cwd: path })).split('\n')
    for (const name of [...paths, 'd', 'd/e', 'never']) {
      const wanted = (await git.read(['log', '--format=%H', commit, '--', name], { cwd: path })).split('\n').filter((id) => id !== '')
      const found = await historyIn(repository, commit, name)
      if (inOrder) assert.deepEqual(found, wanted, `history of ${name} at ${commit}`)
      else assert.deepEqual(found.toSorted(), wanted.toSorted(), `history of ${name} at ${commit}`)
      if (files.includes(name))
        assert.deepEqual(await blamed(repository, commit, name), await gitBlame(path, commit, name), `blame ${commit} ${name}`)
      else assert.equal(await blame(repository, numberOf(repository, commit), bytewise(name)), null)
    }
  }
}

test("tangled histories: last commits, histories in git's order, blame", async () => {
  for (let round = 0; round < 3; round++) {
    const history = await makeRandomHistory(git, folder.join(`tangled-${round}`), new Seeded(seed + round))
    await assertAllAsGit(await open(history.path, 'sha1'), history, 5)
  }
})

test('commits of equal dates', async () => {
  const history = await makeRandomHistory(git, folder.join('equal'), new Seeded(seed), { skew: 0 })
  await assertAllAsGit(await open(history.path, 'sha1'), history, 9)
})

test('sha256', async () => {
  const history = await makeRandomHistory(git, folder.join('sha256'), new Seeded(seed + 7), { commits: 20, format: 'sha256' })
  await assertAllAsGit(await open(history.path, 'sha256'), history, 6)
})

/** The last branch with six commits and more one behind the other: some of the last commits are roots, and can't be cut off from anything. */
async function deepBranch({ path, commits }: RandomHistory): Promise<string> {
  for (let n = commits.length; n > 0; n--) {
    const branch = `c${String(n).padStart(4, '0')}`
    if (Number(await git.read(['rev-list', '--count', '--first-parent', branch], { cwd: path })) >= 6) return branch
  }
  throw new Error('no commit has six behind each other')
}

test('a repository that is cut off ends there', async () => {
  const history = await makeRandomHistory(git, folder.join('deep'), new Seeded(seed + 3))
  const shallow = folder.join('shallow')
  const tip = await deepBranch(history)
  await git.run(['clone', '-q', '--bare', '--depth=4', '--single-branch', `--branch=${tip}`, `file://${history.path}`, shallow])
  await git.run(['repack', '-adq'], { cwd: shallow })
  const cutOff = readFileSync(`${shallow}/shallow`, 'utf8').trim().split('\n')
  const commits = (await git.read(['rev-list', '--all'], { cwd: shallow })).split('\n')
  assert.ok(cutOff.length > 0)
  await assertAllAsGit(await open(shallow, 'sha1', cutOff), { ...history, path: shallow, commits }, 1)
})

test('commits before a time are left out, and what only they lead to', async () => {
  const { path, commits, paths } = await makeRandomHistory(git, folder.join('since'), new Seeded(seed + 5), { skew: 200 })
  const repository = await open(path, 'sha1')
  const since = 1_700_000_150
  for (const name of paths) {
    const wanted = await git.read(['log', '--format=%H', `--since=${since}`, commits.at(-1) as string, '--', name], { cwd: path })
    assert.deepEqual(
      await historyIn(repository, commits.at(-1) as string, name, since),
      wanted.split('\n').filter((id) => id !== ''),
    )
  }
})

test('a merge that takes one side is passed over; one that changes what both sides have is listed', async () => {
  const path = folder.join('sides')
  await git.run(['init', '-q', '--bare', path])
  const commit = (mark: number, more: string) =>
    `commit refs/heads/c${mark}\nmark :${mark}\ncommitter A <a@b> ${1_700_000_000 + mark} +0000\ndata 0\n${more}`
  const file = (text: string) => `M 644 inline f\ndata ${text.length}\n${text}\n`
  const merged = (mark: number, text: string) => commit(mark, `from :2\nmerge :3\n${file(text)}`)
  const stream = [commit(1, file('one')), commit(2, `from :1\n${file('two')}`), commit(3, `from :1\n${file('three')}`)]
  stream.push(merged(4, 'three'), merged(5, 'both'))
  await git.run(['fast-import', '--quiet', '--done'], { cwd: path, input: `${stream.join('')}done\n` })
  await git.run(['repack', '-adq'], { cwd: path })
  const repository = await open(path, 'sha1')
  const ids = await Promise.all([1, 2, 3, 4, 5].map((mark) => git.read(['rev-parse', `c${mark}`], { cwd: path })))
  assert.deepEqual(await historyIn(repository, ids[3] as string, 'f'), [ids[2], ids[0]])
  assert.deepEqual(await historyIn(repository, ids[4] as string, 'f'), [ids[4], ids[2], ids[1], ids[0]])
})
