// A package's hold on content: kind `package`, the package's id; it is there exactly while one of its files has those bytes (a trigger ends it).
import type { Package } from '../access/index.ts'
import type { ContentReference } from '../store/index.ts'

/** The kind of content references; their id is the package's. */
export const packageReferences = 'package'

export function packageReference({ id }: Pick<Package, 'id'>): ContentReference {
  return { kind: packageReferences, id: String(id) }
}
