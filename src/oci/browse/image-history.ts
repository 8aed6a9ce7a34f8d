// How an image came to be, by its configuration (image-spec config.md, History): steps, each with the layer that it made. Pure.
import { type Descriptor, objectOf, readJson, textOf } from './manifest-json.ts'

export interface HistoryStep {
  readonly createdAt: string | null
  readonly createdBy: string | null
  readonly comment: string | null
  readonly author: string | null
  /** Null: the step changed no file. */
  readonly layer: (Descriptor & { readonly diffId: string | null }) | null
}

/**
 * Layers that no step accounts for stand at the end, by themselves; steps without layers to go round have none.
 * @param config the image's
 */
export function imageHistory(config: Uint8Array, layers: readonly Descriptor[]): HistoryStep[] {
  const { history, rootfs } = readJson(config)
  const { diff_ids: diffIds } = objectOf(rootfs)
  let used = 0
  const layerAt = (place: number) => {
    const layer = layers[place]
    return layer === undefined ? null : { ...layer, diffId: Array.isArray(diffIds) ? textOf(diffIds[place]) : null }
  }
  const steps = (Array.isArray(history) ? history : []).map((one): HistoryStep => {
    const { created, created_by: createdBy, comment, author, empty_layer: isEmpty } = objectOf(one)
    return {
      createdAt: textOf(created),
      createdBy: textOf(createdBy),
      comment: textOf(comment),
      author: textOf(author),
      layer: isEmpty === true ? null : layerAt(used++),
    }
  })
  for (; used < layers.length; used++) steps.push({ createdAt: null, createdBy: null, comment: null, author: null, layer: layerAt(used) })
  return steps
}
