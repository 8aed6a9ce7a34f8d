// What the API and commands take away from images, as the protocol does.
import type { Actor, Package } from '../../access/index.ts'
import { InputError } from '../../base/index.ts'
import type { Database, Tx } from '../../db/index.ts'
import { parseDigest } from '../format/digests.ts'
import { immutableTagFault } from '../keeping/tag-rules.ts'
import { deleteManifest, deleteTag } from '../manifest-rows.ts'

/** A manifest with its tags. False when it is gone already. InputError `in-use` where an index of the image names it, `immutable-tag`. */
export async function deleteVersion(db: Database, one: Package, digest: string, actor: Actor): Promise<boolean> {
  const parsed = parseDigest(digest)
  if (parsed === null) return false
  return changed(db, (tx) => deleteManifest(tx, one, parsed, actor))
}

/** A tag; the manifest stays. False when it is gone already. InputError `immutable-tag`. */
export async function untag(db: Database, one: Package, tag: string, actor: Actor): Promise<boolean> {
  return changed(db, (tx) => deleteTag(tx, one, tag, actor))
}

async function changed(db: Database, act: (tx: Tx) => Promise<void>): Promise<boolean> {
  try {
    await db.transaction(act, { mayRetry: true })
    return true
  } catch (error) {
    if (error instanceof InputError && error.code === 'manifest-unknown') return false
    const immutable = immutableTagFault(error)
    throw immutable === null ? error : new InputError('immutable-tag', immutable)
  }
}
