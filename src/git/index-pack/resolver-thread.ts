// What runs in a helper thread: takes shares of jobs, one after the other.
import { closeSync, openSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { InputError } from '../../base/index.ts'
import { EntryTable } from './entry-table.ts'
import { PendingDeltas } from './pending.ts'
import { Resolver } from './resolver.ts'
import { Scanner } from './scanner.ts'
import { readAll } from './spool.ts'
import type { HelperAnswer, HelperJob } from './threads.ts'
import { kernelModule, returnWorkspace, takeWorkspace } from './workspace.ts'

kernelModule((workerData as { module: WebAssembly.Module }).module)

parentPort!.on('message', (job: HelperJob) => {
  const answer = work(job)
  parentPort!.postMessage(answer, 'refs' in answer ? [answer.refs.buffer] : [])
})

function work(job: HelperJob): HelperAnswer {
  const workspace = takeWorkspace()
  const file = openSync(job.path, 'r')
  try {
    const table = EntryTable.fromShared(job.entries)
    workspace.begin(table.idBytes, job.seed, job.refsBytes)
    const source = { read: (offset: number, into: Uint8Array) => readAll(file, into, offset) }
    const pending = job.pending === null ? null : new PendingDeltas(job.pending)
    const scanner = new Scanner(workspace, table.format, job.fsck)
    new Resolver(table, workspace, source, scanner, pending, job.settings).run(job.roots, job.control, () => {})
    return { refs: workspace.refs(), warnings: scanner.warnings }
  } catch (error) {
    return error instanceof InputError ? { input: { code: error.code, message: error.message } } : { failure: error }
  } finally {
    closeSync(file)
    returnWorkspace(workspace)
  }
}
