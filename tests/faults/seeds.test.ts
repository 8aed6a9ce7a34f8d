// Simulated runs: two nodes on one database and one bucket, which push, fork, merge, repack, collect, purge, sweep, clone, open, pull and check at once, step by
// step in an order that a seed gives, while requests, statements, disks and nodes fail (docs/design/faults.md). Each seed is one run.
// STEMMA_TEST_SEED=n runs that seed alone, and prints all that happened; STEMMA_TEST_SEEDS says how many runs (usual: 400).
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { cloneAll } from './simulation/clients.ts'
import { judge } from './simulation/judge.ts'
import { SimulatedRun } from './simulation/run.ts'
import { World } from './simulation/world.ts'
import { setting } from './writers.ts'

const isAlone = process.env['STEMMA_TEST_SEED'] !== undefined
const first = setting('STEMMA_TEST_SEED', Math.floor(Math.random() * 2 ** 31))
const count = isAlone ? 1 : setting('STEMMA_TEST_SEEDS', 400)
/** Of so many runs one is looked at by git, too. */
const seldom = 25
/** So many seeds that fail are enough. */
const mostTold = 3
const toldLines = 80
/** On a machine that has much else to do, the rest is left to the next time. */
const longestMs = setting('STEMMA_TEST_SEEDS', 0) > 0 ? 3600_000 : 5 * 60_000

let world: World
before(async () => {
  world = await World.open()
})
after(() => world?.close())

test(`${count} simulated runs from seed ${first} on`, { timeout: 4_000_000 }, async (context) => {
  const failed: string[] = []
  let turns = 0
  let acknowledged = 0
  const begun = new Map<string, number>()
  const done = new Map<string, number>()
  let seed = first
  for (const endMs = performance.now() + longestMs; seed < first + count && failed.length < mostTold; seed++) {
    if (performance.now() > endMs) break
    const run = new SimulatedRun(world, seed)
    await run.run()
    const isClonedByGit = isAlone || seed % seldom === 0
    await judge(run, async (node) => (isClonedByGit ? await cloneAll(run, node) : undefined))
    turns += run.turns.history.length
    acknowledged += run.pushes.flatMap(({ changes }) => changes).filter(({ outcome }) => outcome === 'done').length
    for (const [what, times] of run.begun) begun.set(what, (begun.get(what) ?? 0) + times)
    for (const [what, times] of run.images.done) done.set(what, (done.get(what) ?? 0) + times)
    if (isAlone) context.diagnostic(run.turns.history.join('\n'))
    if (run.faults.length === 0) continue
    const told = isAlone ? '' : `\n${run.turns.history.slice(-toldLines).join('\n')}`
    failed.push(`STEMMA_TEST_SEED=${seed}:\n  ${run.faults.join('\n  ')}${told}`)
  }
  context.diagnostic(`${seed - first} of ${count} runs, ${turns} steps, ${acknowledged} changes of refs acknowledged`)
  for (const counts of [begun, done]) context.diagnostic([...counts].map(([what, times]) => `${what}: ${times}`).join(', '))
  assert.deepEqual(failed, [])
  assert.ok(isAlone || acknowledged > seed - first, 'enough was done for it to mean something')
})
