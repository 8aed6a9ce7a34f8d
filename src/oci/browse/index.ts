// browse: what images hold, for the API: rows, trees of manifests, files of layers. docs/design/packages-api.md.
export { untag } from './image-deletion.ts'
export { digestText, parseDigestBytes } from '../format/digests.ts'
export { assertShallow } from '../format/json-text.ts'
export type { FileChange, ImageDiff } from './image-diff.ts'
export { type HistoryStep, imageHistory } from './image-history.ts'
export { imagePulls, imageSizes, type ImageSizes, type Pulls } from './image-figures.ts'
export { blobBytes, plainImage, type PlainImage, storedBlobs } from './image-layers.ts'
export {
  countTags,
  listReferrers,
  listTags,
  type ManifestRow,
  resolveReference,
  totalBytes,
  type TagRow,
} from './image-rows.ts'
export type { FilePlace, ImageFile, LayerRow } from './file-questions.ts'
export { type Layer, LayerFiles, type LayerFilesOptions } from './layer-files.ts'
export type { LayerRecord } from './layer-list.ts'
export { pullTrimmer } from './pull-trimmer.ts'
export { type Descriptor, type Platform, platformOf, platformText, readJson } from './manifest-json.ts'
export { type ManifestTree, manifestTree, type TreeManifest } from './manifest-tree.ts'
