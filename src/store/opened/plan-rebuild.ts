// What making an opened content again needs to know: how, and where its parts are.
import type { Queries } from '../../db/index.ts'
import type { ContentRange } from '../content-store.ts'
import { planRecipe } from '../plan-chunks.ts'
import { decodeForm } from './format/opened-form.ts'
import type { RebuildPlan } from './rebuild-job.ts'

/** Null where what it is made of is gone. CorruptError 'opened-form', 'recipe'. */
export async function planRebuild(queries: Queries, bytes: Uint8Array, range?: ContentRange): Promise<RebuildPlan | null> {
  const form = decodeForm(bytes)
  const bodies = await planRecipe(queries, form.inner, { offset: 0, sizeBytes: form.bodyBytes })
  const skeleton = await planRecipe(queries, form.inner, { offset: form.bodyBytes, sizeBytes: form.skeletonBytes })
  if (bodies === null || skeleton === null) return null
  return { form: bytes, bodies, skeleton, range: range ?? { offset: 0, sizeBytes: form.sizeBytes } }
}
