// Cuts that lie crosswise: what is sent of commits and of the boundaries below them is whole, whatever trees they share.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadRepository } from '../../../tests/support/fetch-server.ts'
import { Git, TempFolder } from '../../../tests/support/git.ts'
import { fromHex } from '../../base/index.ts'
import { buildHistory } from './build-history.ts'
import { Mark } from './commit-walk.ts'
import { openFetchRepository, paced } from './repository.ts'
import { selectObjects } from './selection.ts'

/** Two lines of history: one goes from the first tree to the second, the other from the second to the first. */
function crossing(): string {
  const commit = (mark: number, ref: string, from: number | null, file: string) => {
    const parent = from === null ? '' : `from :${from}\n`
    const data = `M 100644 inline both/same\ndata 5\nsame\n\nM 100644 inline both/file\ndata ${file.length}\n${file}\n`
    return `commit refs/heads/${ref}\nmark :${mark}\ncommitter T <t@example.com> ${1700000000 + mark} +0000\ndata 1\nx\n${parent}${data}\n`
  }
  return [commit(1, 'a', null, 'one'), commit(2, 'a', 1, 'two'), commit(3, 'b', null, 'two'), commit(4, 'b', 3, 'one'), 'done\n'].join('')
}

test('two histories are cut off where each has the tree of the other: what no commit changed is sent all the same', async () => {
  const folder = new TempFolder('cut-off')
  try {
    const git = new Git(folder)
    const bare = folder.join('bare.git')
    await git.run(['init', '-q', '--bare', bare])
    await git.run(['fast-import', '--quiet', '--done'], { cwd: bare, input: crossing() })
    await git.run(['repack', '-adq'], { cwd: bare })
    const { repository } = await loadRepository(bare)
    const { objects, set } = repository
    const ids = (await git.read(['rev-list', '--objects', '--no-object-names', '--all'], { cwd: bare })).split('\n')
    const numbers = new Map(ids.map((id) => [id, set.find(fromHex(id), 0)]))
    const numberOf = async (name: string) => numbers.get(await git.read(['rev-parse', name], { cwd: bare })) as number
    const wants = [await numberOf('a'), await numberOf('b')]
    const grafts = [await numberOf('a~1'), await numberOf('b~1')]
    const table = await buildHistory(paced(openFetchRepository(set, objects)))
    const request = { wants, haves: [], grafts, filter: null, thinPack: true, ofsDelta: true, tags: [] }
    for (const served of [paced(repository), { ...paced(repository), exact: false }, paced(openFetchRepository(set, objects, table))]) {
      const { marks } = await selectObjects(served, request)
      const missing = [...numbers].filter(([, number]) => !((marks[number] as number) & Mark.send))
      assert.deepEqual(missing, [])
    }
  } finally {
    folder.remove()
  }
})
