// What git itself says of a simulated run's end: the healed node serves over HTTP, and every repository is cloned and checked.
import { makeGate } from '../../../src/access/index.ts'
import { makeLog, systemClock, systemRandomness } from '../../../src/base/index.ts'
import { registerGit } from '../../../src/git/index.ts'
import { makeListener } from '../../../src/http/index.ts'
import { Git, TempFolder } from '../../support/git.ts'
import type { SimulatedNode } from './node.ts'
import { readRefs } from './repositories.ts'
import type { SimulatedRun } from './run.ts'

const log = makeLog('silent')
const limits = {
  drainMs: 1000,
  headerTimeoutMs: 60_000,
  jsonBodyBytes: 1 << 20,
  stallTimeoutMs: 60_000,
  slowestBytesPerSecond: 1,
  slowGraceMs: 60_000,
}

/** Clones and checks all; what is wrong is in `run.faults`. */
export async function cloneAll(run: SimulatedRun, node: SimulatedNode): Promise<void> {
  const folder = new TempFolder('simulated-clones')
  const gate = makeGate({ db: node.db, clock: systemClock, log, isCreatingOnPush: false })
  const listener = makeListener({ gate, log, randomness: systemRandomness, limits, trustProxy: false })
  try {
    registerGit(listener, node.room)
    const url = await listener.listen({ host: '127.0.0.1', port: 0 })
    const git = new Git(folder)
    for (const { isGone, repository } of run.repositories) {
      if (isGone !== false) continue
      const copy = folder.join(`${repository.name}.git`)
      const cloned = await git.run(['clone', '-q', '--mirror', `${url}/admin/${repository.name}.git`, copy], { mayFail: true })
      if (cloned.code !== 0) {
        run.fault(`git can't clone ${repository.name}: ${cloned.stderr}`)
        continue
      }
      const checked = await git.run(['fsck', '--strict', '--no-progress'], { cwd: copy, mayFail: true })
      if (checked.code !== 0) run.fault(`git fsck of ${repository.name}: ${checked.stderr}`)
      const got = await git.read(['for-each-ref', '--format=%(refname) %(objectname)'], { cwd: copy })
      const wanted = [...(await readRefs(node.db.queries, repository.id))].map(([name, oid]) => `${name} ${oid}`).join('\n')
      if (got !== wanted) run.fault(`a clone of ${repository.name} has other refs:\n${got}\nand not\n${wanted}`)
    }
  } finally {
    await listener.close()
    await gate.close()
    folder.remove()
  }
}
