// Helper threads: they resolve deltas beside the thread that runs the job, each with a workspace of its own over shared tables.
// Made at first need and kept for a while, without holding the process open. A thread that dies is replaced at the next need.
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { InputError, UnavailableError } from '../../base/index.ts'
import type { SharedEntries } from './entry-table.ts'
import type { FsckSettings } from './index-pack.ts'
import type { SharedPending } from './pending.ts'
import type { ResolverSettings } from './resolver.ts'
import { kernelModule } from './workspace.ts'

/** One thread's share of a job. */
export interface HelperJob {
  readonly entries: SharedEntries
  readonly pending: SharedPending | null
  readonly roots: Int32Array
  readonly control: Int32Array
  readonly path: string
  readonly fsck: FsckSettings | null
  readonly seed: Uint8Array
  readonly refsBytes: number
  readonly settings: ResolverSettings
}

/** The references that a share's objects have, and what fsck warns of in them. */
export interface HelperShare {
  readonly refs: Uint8Array<ArrayBuffer>
  readonly warnings: readonly string[]
}

export type HelperAnswer =
  | HelperShare
  | { readonly input: { readonly code: string; readonly message: string } }
  | { readonly failure: unknown }

/** A thread with nothing to do gives its memory back after this. */
const IDLE_MS = 10_000
const idle: { readonly worker: Worker; readonly timer: NodeJS.Timeout }[] = []

/** Threads to use when the caller doesn't say. */
export function defaultThreads(): number {
  return availableParallelism()
}

/** Runs a share in a helper thread. Throws what the share threw. */
export async function runHelper(job: HelperJob): Promise<HelperShare> {
  const waiting = idle.pop()
  if (waiting !== undefined) clearTimeout(waiting.timer)
  const worker = waiting?.worker ?? startWorker()
  const answer = await new Promise<HelperAnswer>((resolve, reject) => {
    const onError = (cause: unknown) => reject(new UnavailableError('index-pack-thread', 'a thread that indexes packs has died', { cause }))
    const onExit = (code: number) => onError(new Error(`exit code ${code}`))
    worker.once('error', onError)
    worker.once('exit', onExit)
    worker.once('message', (message: HelperAnswer) => {
      worker.off('error', onError)
      worker.off('exit', onExit)
      resolve(message)
    })
    // Referenced while it works, so that the process waits for it.
    worker.ref()
    worker.postMessage(job)
  }).finally(() => worker.unref())
  idle.push({ worker, timer: setTimeout(() => void retire(worker), IDLE_MS).unref() })
  if ('input' in answer) throw new InputError(answer.input.code, answer.input.message)
  if ('failure' in answer) throw answer.failure
  return answer
}

function startWorker(): Worker {
  const worker = new Worker(new URL('./resolver-thread.ts', import.meta.url), { workerData: { module: kernelModule() } })
  // A thread that dies while it is idle is nobody's loss.
  worker.on('error', () => {})
  worker.on('exit', () => forget(worker))
  return worker
}

function forget(worker: Worker): void {
  const at = idle.findIndex((waiting) => waiting.worker === worker)
  if (at >= 0) clearTimeout(idle.splice(at, 1)[0]?.timer)
}

async function retire(worker: Worker): Promise<void> {
  forget(worker)
  await worker.terminate()
}
