// The worker's half of checking engines before they are needed.
import type { MessagePort } from 'node:worker_threads'
import { setImmediate as turn } from 'node:timers/promises'
import { answerJob } from '../../base/index.ts'
import { mostUsed, type Replay } from '../replay/index.ts'

/** Answers how many vectors it has checked that hold. Between two of them other jobs get their turn. */
export async function vectorsJob(port: MessagePort, replay: Replay): Promise<void> {
  await answerJob(port, async (main, signal) => {
    let count = 0
    for (const recipe of mostUsed) {
      await turn()
      signal.throwIfAborted()
      if (replay.check(recipe)) count++
    }
    main.send(count)
  })
}
