// The worker's half of reading an opened content: its bytes over the port, made again.
import type { MessagePort } from 'node:worker_threads'
import { MessageStream } from '../../base/index.ts'
import type { ContentReader, ReadPlan } from '../content-reader.ts'
import type { ContentRange } from '../content-store.ts'
import type { Replay } from '../replay/index.ts'
import { decodeForm } from './format/opened-form.ts'
import { type OpenedParts, rebuild } from './rebuild.ts'
import { isSmallForm, rebuildSmall } from './rebuild-small.ts'

export interface RebuildPlan {
  readonly form: Uint8Array
  readonly bodies: ReadPlan
  readonly skeleton: ReadPlan
  readonly corrections: ReadPlan
  readonly range: ContentRange
}

export async function rebuildJob(plan: RebuildPlan, port: MessagePort, reader: ContentReader, replay: Replay): Promise<void> {
  const stream = new MessageStream<never>(port)
  try {
    for await (const piece of rebuilt(plan, reader, replay)) {
      await stream.sendBytes(piece, true)
      if (stream.closed) return
    }
    stream.endBytes()
  } catch (error) {
    stream.fail(error)
  }
}

async function* rebuilt(
  plan: RebuildPlan,
  reader: ContentReader,
  replay: Replay,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  const form = decodeForm(plan.form)
  if (!isSmallForm(form)) return yield* rebuild(form, partsOf(plan, reader), replay, plan.range)
  const { offset, sizeBytes } = plan.range
  const whole = await rebuildSmall(form, plan, reader, replay)
  if (sizeBytes > 0) yield sizeBytes === whole.length ? whole : whole.slice(offset, offset + sizeBytes)
}

function partsOf(plan: RebuildPlan, reader: ContentReader): OpenedParts {
  return { bodies: reader.read(plan.bodies), skeleton: reader.read(plan.skeleton), corrections: reader.read(plan.corrections) }
}

/** The same for a check: nothing is sent but that all was right. */
export async function checkRebuildJob(plan: RebuildPlan, port: MessagePort, reader: ContentReader, replay: Replay): Promise<void> {
  const stream = new MessageStream<never>(port)
  try {
    for await (const _piece of rebuilt(plan, reader, replay)) if (stream.closed) return
    stream.send('right')
  } catch (error) {
    stream.fail(error)
  }
}
