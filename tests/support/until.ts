// Waiting for what a server does at its own pace.
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'

/** Looks again and again until it is so; fails when it isn't in two minutes, a time for busy machines and no measure of speed. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>, limitMs = 120_000): Promise<void> {
  for (const end = performance.now() + limitMs; !(await isSo()); await sleep(20)) {
    if (performance.now() > end) assert.fail(`not in time: ${what}`)
  }
}
