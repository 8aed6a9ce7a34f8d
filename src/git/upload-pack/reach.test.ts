// What a client's claims may cost while the common ground is looked for.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { loadRepository } from '../../../tests/support/fetch-server.ts'
import { Git, TempFolder } from '../../../tests/support/git.ts'
import { fromHex } from '../../base/index.ts'
import { CommonGround } from './reach.ts'
import { paced, type PacedRepository } from './repository.ts'

const folder = new TempFolder('reach')
const length = 300
let repository: PacedRepository
let looks = 0
const lines: Record<'a' | 'b', number[]> = { a: [], b: [] } // two histories that have nothing in common, the newest commit first

before(async () => {
  const git = new Git(folder)
  const bare = folder.join('bare.git')
  const line = (name: string, from: number) =>
    Array.from({ length }, (_, i) => {
      const parent = i === 0 ? '' : `from :${from + i - 1}\n`
      const mark = from + i
      return `commit refs/heads/${name}\nmark :${mark}\ncommitter T <t@example.com> ${1700000000 + i} +0000\ndata 1\n${name}\n${parent}\n`
    }).join('')
  await git.run(['init', '-q', '--bare', bare])
  await git.run(['fast-import', '--quiet', '--done'], { cwd: bare, input: `${line('a', 1)}${line('b', 1 + length)}done\n` })
  await git.run(['repack', '-adq'], { cwd: bare })
  const served = paced((await loadRepository(bare)).repository)
  for (const name of ['a', 'b'] as const) {
    const ids = (await git.read(['rev-list', name], { cwd: bare })).split('\n')
    lines[name] = ids.map((id) => served.set.find(fromHex(id), 0))
  }
  const { commits } = served
  const counted = {
    load: (number: number) => commits.load(number),
    time: (number: number) => commits.time(number),
    parent: (number: number, place: number) => commits.parent(number, place),
    parentCount: (number: number) => {
      looks++
      return commits.parentCount(number)
    },
  }
  repository = { ...served, commits: counted as unknown as PacedRepository['commits'] }
})
after(() => folder.remove())

test('claims that lead nowhere do not have the history walked again and again', async () => {
  const ground = new CommonGround(repository, [lines.b[0] as number])
  looks = 0
  for (const have of lines.a.toReversed()) {
    await ground.add(have)
    assert.equal(await ground.isEnough(false), false)
  }
  assert.ok(looks < length * 50, `${looks} commits were looked at for ${length} claims over ${length} commits`)
  assert.equal(await ground.isEnough(), false)
  await ground.add(lines.b.at(-1) as number)
  assert.equal(await ground.isEnough(), true, 'the last word is not bounded')
})

test('what is enough stays enough, whatever else is claimed', async () => {
  const ground = new CommonGround(repository, [lines.b[0] as number])
  await ground.add(lines.b.at(-1) as number)
  assert.equal(await ground.isEnough(false), true)
  looks = 0
  for (const have of lines.a) {
    await ground.add(have)
    assert.equal(await ground.isEnough(false), true)
  }
  assert.ok(looks < length * 3)
})
