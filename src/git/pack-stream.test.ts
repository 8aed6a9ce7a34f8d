// Packs for mirrors and exports: whole as the planner made them; of damaged stored bytes nothing goes that could be taken for a whole pack.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { git, gitAccepts } from '../../tests/support/history.ts'
import { openTestRoom, type TestRoom } from '../../tests/support/git-room.ts'
import { temporaryFolder } from '../../tests/support/pack-indexing.ts'
import { seededBytes } from '../../tests/support/random.ts'
import { concatBytes, CorruptError } from '../base/index.ts'
import { sql } from '../db/index.ts'
import { packStream } from './pack-stream.ts'

let rooms: TestRoom
let repository: { id: number; networkId: string }
before(async () => {
  rooms = await openTestRoom(temporaryFolder())
  const folder = temporaryFolder()
  git(folder, ['init', '-q', '--bare', '.'])
  const commits = ['one', 'two'].map((branch, n) => {
    const files = Array.from({ length: 4 }, (_, i) => `M 100644 inline ${branch}/${i}\ndata 700000\n${noise(n * 10 + i)}\n`)
    return `commit refs/heads/${branch}\ncommitter A <a@example.com> ${1700000000 + n} +0000\ndata 1\nx\n${files.join('')}`
  })
  git(folder, ['fast-import', '--quiet', '--done'], Buffer.from(`${commits.join('')}done\n`, 'latin1'))
  await rooms.import(folder, 'noise')
  const { rows } = await sql<{ id: number; networkId: string }>`select id, network_id as "networkId" from repository`.execute(
    rooms.db.database.queries,
  )
  repository = rows[0] as typeof repository
})
after(() => rooms?.close())

const noise = (seed: number) => Buffer.from(seededBytes(seed, 700_000)).toString('latin1')

/** What came until it failed, and what it failed with. */
async function streamed(branches: readonly string[]): Promise<{ readonly bytes: Uint8Array; readonly error: unknown }> {
  const { room } = rooms
  const refs = await room.refs.read(repository.id)
  const wants = refs.refs.filter(({ name }) => branches.some((branch) => name === `refs/heads/${branch}`)).map(({ oid }) => oid)
  const workers = { pool: room.workers, memory: room.fetchMemory }
  const options = { wants, haves: [], isThin: false, refs, cutOff: [], signal: new AbortController().signal }
  const pieces: Uint8Array[] = []
  try {
    for await (const bytes of packStream(workers, await room.packs.open(repository.networkId), options)) pieces.push(bytes)
    return { bytes: concatBytes(pieces), error: null }
  } catch (error) {
    return { bytes: concatBytes(pieces), error }
  }
}

for (const [what, branches] of [
  ['a stored pack as it stands', ['one', 'two']],
  ['regions of one', ['one']],
] as const) {
  test(`${what}: comes whole; damaged, it stops before its end, and says what is wrong`, async () => {
    const whole = await streamed(branches)
    assert.equal(whole.error, null)
    const folder = temporaryFolder()
    git(folder, ['init', '-q', '--bare', '.'])
    assert.ok(gitAccepts(folder, whole.bytes))
    const [path] = rooms.keyFiles('pack') as [string]
    const right = readFileSync(path)
    let regions = 0
    for (const place of [0.01, 0.3, 0.55, 0.8, 0.99]) {
      const bytes = Buffer.from(right)
      const at = Math.floor(whole.bytes.length * place)
      bytes[at] = (bytes[at] as number) ^ 0x10
      writeFileSync(path, bytes)
      try {
        const damaged = await streamed(branches)
        if (damaged.error === null) {
          assert.deepEqual(damaged.bytes, whole.bytes, 'the damage lies where nothing was sent from')
          continue
        }
        assert.ok(damaged.error instanceof CorruptError, String(damaged.error))
        assert.match(damaged.error.message, /do not agree with/)
        assert.ok(damaged.bytes.length < whole.bytes.length - 20)
        regions++
      } finally {
        writeFileSync(path, right)
      }
    }
    assert.ok(regions >= 2, 'some of it is sent as it is stored')
  })
}
