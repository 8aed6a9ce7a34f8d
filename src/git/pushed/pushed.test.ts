// What a push brought, compared with what git says of the same repository.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Git, TempFolder } from '../../../tests/support/git.ts'
import { openTestRoom, type TestRoom } from '../../../tests/support/git-room.ts'
import { findRepository, type Repository } from '../../access/index.ts'
import type { ObjectId } from '../format/object-id.ts'
import { findPushed } from './index.ts'

const folder = new TempFolder('pushed')
const git = new Git(folder)
const path = folder.join('work')
let test_: TestRoom
let repository: Repository

before(async () => {
  await git.makeRepository(path, 30)
  await git.run(['checkout', '-q', '-b', 'side', 'main~5'], { cwd: path })
  await git.commit(path, { 'side.txt': 'side', 'folder/deep/1.txt': 'side' }, 'side')
  await git.run(['rm', '-q', '-r', 'folder'], { cwd: path })
  await git.commit(path, { folder: 'a file now' }, 'a folder becomes a file')
  await git.run(['checkout', '-q', '-b', 'merged', 'main'], { cwd: path })
  await git.run(['merge', '-q', '-s', 'ours', '--no-edit', 'side'], { cwd: path })
  await git.run(['tag', '-a', '-m', 'tagged', 'v1', 'side'], { cwd: path })
  await git.run(['tag', 'tree', 'main^{tree}'], { cwd: path })
  test_ = await openTestRoom(folder.join('room'))
  await test_.import(path, 'pushed')
  repository = (await findRepository(test_.db.database.queries, 'admin', 'pushed')) as Repository
})
after(async () => {
  await test_?.close()
  folder.remove()
})

const read = (...args: string[]) => git.read([...args], { cwd: path })
const id = async (name: string) => (await read('rev-parse', name)) as ObjectId

async function pushed(ref: string, from: string | null, to: string, more: { beside?: readonly string[]; most?: number } = {}) {
  const before = from === null ? null : /^[0-9a-f]{40}$/.test(from) ? (from as ObjectId) : await id(from)
  return await findPushed(test_.room, repository, { ref, before, after: await id(to), beside: [], most: 2048, ...more })
}

async function list(...args: string[]): Promise<string[]> {
  return (await read('rev-list', ...args)).split('\n').filter((line) => line !== '')
}

test('the commits of a moved branch are those of git rev-list, and their paths those of git diff-tree', async () => {
  for (const [from, to] of [
    ['main~10', 'main'],
    ['main', 'merged'],
    ['side~1', 'side'],
    ['main~25', 'merged'],
  ] as const) {
    const { commits, head, isForced } = await pushed('refs/heads/x', from, to)
    assert.deepEqual(new Set(commits.map((commit) => commit.id)), new Set(await list(to, `^${from}`)), `${from}..${to}`)
    assert.equal(commits.at(-1)?.id, await id(to))
    assert.equal(head?.id, await id(to))
    assert.equal(isForced, false)
    for (const commit of commits) {
      const lines = (await read('diff-tree', '-r', '--no-renames', '--name-status', '--no-commit-id', `${commit.id}^1`, commit.id)).split(
        '\n',
      )
      const named = (letter: string) => lines.filter((line) => line.startsWith(letter)).map((line) => line.slice(2))
      assert.deepEqual(
        [commit.added, commit.removed].map((names) => names.toSorted()),
        [named('A').sort(), named('D').sort()],
        commit.message,
      )
      assert.deepEqual(commit.modified.toSorted(), [...named('M'), ...named('T')].sort())
      assert.equal(commit.treeId, await id(`${commit.id}^{tree}`))
      assert.equal(commit.message, (await read('log', '-1', '--format=%B', commit.id)).trimEnd())
      assert.equal(commit.timestamp, (await read('log', '-1', '--format=%cI', commit.id)).replace('+00:00', 'Z'))
    }
  }
})

test('a new branch has what no other has; a first one has everything', async () => {
  const { commits } = await pushed('refs/heads/side', null, 'side', { beside: ['refs/heads/merged'] })
  assert.deepEqual(new Set(commits.map((commit) => commit.id)), new Set(await list('side', '^main')))
  const first = await pushed('refs/heads/main', null, 'main', { beside: ['refs/heads/side', 'refs/heads/merged'] })
  assert.deepEqual(
    first.commits.map((commit) => commit.id),
    await list('--reverse', 'main'),
  )
  assert.deepEqual(first.commits[0]?.added, ['file-1.txt', 'folder/deep/1.txt'])
})

test('the newest are told where there are more than may be', async () => {
  const whole = await pushed('refs/heads/main', null, 'main', { beside: ['refs/heads/side', 'refs/heads/merged'], most: 3 })
  assert.deepEqual(
    whole.commits.map((commit) => commit.id),
    (await list('-3', 'main')).reverse(),
  )
  const none = await pushed('refs/heads/main', 'main~4', 'main', { most: 0 })
  assert.deepEqual([none.commits.length, none.head?.id], [0, await id('main')])
})

test('what is on another branch, too, is not distinct', async () => {
  const { commits } = await pushed('refs/heads/merged', 'main~2', 'merged')
  const others = new Set(await list('main', 'side'))
  for (const commit of commits) assert.equal(commit.isDistinct, !others.has(commit.id), commit.message)
  assert.ok(commits.some((commit) => commit.isDistinct) && commits.some((commit) => !commit.isDistinct))
})

test('forced: when commits were let go', async () => {
  assert.equal((await pushed('refs/heads/x', 'main', 'main~3')).isForced, true)
  assert.equal((await pushed('refs/heads/x', 'side', 'main')).isForced, true)
  assert.equal((await pushed('refs/heads/x', 'a'.repeat(40), 'main')).isForced, true, 'what it was at is gone')
})

test('a tag tells what it stands for, or nothing', async () => {
  const { commits, head } = await pushed('refs/tags/v1', null, 'v1')
  assert.deepEqual([commits.length, head?.id], [0, await id('side')])
  assert.equal((await pushed('refs/tags/tree', null, 'tree')).head, null)
})
