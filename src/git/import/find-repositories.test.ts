// Which folders are repositories, and the names they get.
import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync } from 'node:fs'
import { after, test } from 'node:test'
import { Git, TempFolder } from '../../../tests/support/git.ts'
import { findRepositories, nameOf } from './find-repositories.ts'

const folder = new TempFolder('find')
const git = new Git(folder)
after(() => folder.remove())

test('names come from paths by one rule', () => {
  assert.equal(nameOf('a/b/c.git'), 'a-b-c')
  assert.equal(nameOf('tools/päckchen & mehr.git/'), 'tools-p-ckchen-mehr')
  assert.equal(nameOf('x.GIT'), 'x')
  assert.equal(nameOf('work/.git'), 'work')
  assert.equal(nameOf('a'.repeat(300)).length, 100)
  assert.throws(() => nameOf('..'), { code: 'import-name' })
  assert.throws(() => nameOf('ü.git'), { code: 'import-name' })
})

test('every repository below a folder, each under a name of its own', async () => {
  const root = folder.join('root')
  for (const path of ['a/b.git', 'a-b.git', 'A/B.git', 'plain', 'deep/er/one']) await git.run(['init', '-q', '--bare', `${root}/${path}`])
  await git.run(['init', '-q', `${root}/work`])
  mkdirSync(`${root}/empty/folder`, { recursive: true })
  symlinkSync(`${root}/a`, `${root}/link`)
  symlinkSync(`${root}/a-b.git`, `${root}/deep/link.git`)
  symlinkSync(`${root}/nowhere`, `${root}/deep/dangling`)
  symlinkSync(`${root}/deep/loop`, `${root}/deep/loop`)
  symlinkSync(`${root}/a-b.git/HEAD`, `${root}/deep/file`)
  const links: string[] = []
  assert.deepEqual(
    findRepositories(root, (path) => links.push(path)).map(({ path, name }) => [path.slice(root.length + 1), name]),
    [
      ['A/B.git', 'A-B'],
      ['a/b.git', 'a-b-2'],
      ['a-b.git', 'a-b-3'],
      ['deep/er/one', 'deep-er-one'],
      ['plain', 'plain'],
      ['work', 'work'],
    ],
  )
  assert.deepEqual(findRepositories(`${root}/a/b.git`), [{ path: `${root}/a/b.git`, name: 'b' }])
  assert.deepEqual(findRepositories(`${root}/work`), [{ path: `${root}/work`, name: 'work' }])
  assert.deepEqual(links, [`${root}/deep/link.git`])
  assert.throws(() => findRepositories(`${root}/empty`), { code: 'import-nothing' })
  assert.throws(() => findRepositories(`${root}/absent`), { code: 'import-nothing' })
})
