// A package goes, with all that is in it, in steps, so that one of a hundred thousand files holds nobody up.
import { type Actor, deletePackage, type Package } from '../access/index.ts'
import type { Database } from '../db/index.ts'
import { type FormatRoom, roomOf } from './format-room.ts'

/** False when it is gone already. */
export async function deleteWhole(db: Database, formats: readonly FormatRoom[], one: Package, actor: Actor): Promise<boolean> {
  await roomOf(formats, one).empty(db, one.id)
  return deletePackage(db, one.id, actor)
}
