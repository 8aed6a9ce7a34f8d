// What is going on in this chain of calls: which request, and which span of which trace. The one thing that is not handed from function to
// function: log lines and spans are written far below whoever knows the request, and no room should carry it through all of its own.
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Span } from './tracing.ts'

export interface Activity {
  /** Ours, as `x-request-id` tells the client. */
  readonly requestId?: string
  /** Of the trace that the client says it is part of, or of our own. */
  readonly traceId?: string
  /** Under way; its children begin under it. Only where traces are sent somewhere. */
  readonly span?: Span
}

const storage = new AsyncLocalStorage<Activity>()

export function currentActivity(): Activity | undefined {
  return storage.getStore()
}

/** Runs the function, and all that it begins, as part of that activity. */
export function runIn<T>(activity: Activity, run: () => T): T {
  return storage.run(activity, run)
}

/** Fields of every log line that is written during a request. For pino's `mixin`. */
export function activityFields(): Record<string, string> {
  const activity = storage.getStore()
  if (activity === undefined) return {}
  const { requestId, traceId } = activity
  return {
    ...(requestId === undefined ? {} : { reqId: requestId }),
    ...(traceId === undefined ? {} : { traceId }),
  }
}
