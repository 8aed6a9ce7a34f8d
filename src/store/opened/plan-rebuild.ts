// What making an opened content again needs to know: how, and where its parts are.
import type { Queries } from '../../db/index.ts'
import type { ContentRange } from '../content-store.ts'
import type { ReadPlan } from '../content-reader.ts'
import { planRanges } from '../plan-chunks.ts'
import { correctionBytesOf, decodeForm } from './format/opened-form.ts'
import type { RebuildPlan } from './rebuild-job.ts'

/** Null where what it is made of is gone. CorruptError 'opened-form', 'recipe'. */
export async function planRebuild(queries: Queries, bytes: Uint8Array, range?: ContentRange): Promise<RebuildPlan | null> {
  const form = decodeForm(bytes)
  const plans = await planRanges(queries, form.inner, [
    { offset: 0, sizeBytes: form.bodyBytes },
    { offset: form.bodyBytes, sizeBytes: form.skeletonBytes },
    { offset: form.bodyBytes + form.skeletonBytes + form.listBytes, sizeBytes: correctionBytesOf(form) },
  ])
  if (plans === null) return null
  const [bodies, skeleton, corrections] = plans as [ReadPlan, ReadPlan, ReadPlan]
  return { form: bytes, bodies, skeleton, corrections, range: range ?? { offset: 0, sizeBytes: form.sizeBytes } }
}
