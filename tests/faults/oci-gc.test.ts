// The registry's collection beside ten clients, with no delays: nobody sees an error, nothing that is needed is lost, nothing else is left. The long form is
// bench/oci-gc-stress.ts. STEMMA_TEST_SEED=n does what run n did, as far as clocks and threads allow.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { TempFolder } from '../support/git.ts'
import { stress } from '../support/registry-stress/index.ts'
import { setting } from './writers.ts'

const seed = setting('STEMMA_TEST_SEED', Math.floor(Math.random() * 2 ** 31))
const leaseMs = 8000

let folder: TempFolder
before(() => {
  folder = new TempFolder('oci-gc')
})
after(() => folder?.remove())

test(`ten clients for twenty seconds, seed ${seed}`, { timeout: 600_000 }, async (context) => {
  const report = await stress({ seed, clients: 10, seconds: 20, leaseMs, pauseMs: leaseMs / 40, data: folder.join('data') })
  const { requests, collected, kept, counts } = report
  context.diagnostic(
    `${requests} requests, ${collected.blobs} blobs and ${collected.manifests} manifests collected, ${kept} tags at the end`,
  )
  context.diagnostic(JSON.stringify(counts))
  assert.deepEqual(report.faults, [])
  assert.deepEqual(
    Object.entries(report.leftovers).filter(([, count]) => count !== 0),
    [],
  )
  assert.ok(collected.blobs > 0 && collected.manifests > 0 && kept > 0, 'something was collected, and something stayed')
})
