// What packages' contents count for their owner (docs/design/limits.md, Quotas): each content once, however many of his packages have it, of whatever format.
import { chargeOwner, type Package } from '../access/index.ts'
import { sql, type Tx } from '../db/index.ts'

/**
 * For a blob's or file's row that has just been written, in the same transaction. InputError `quota-exceeded` undoes it.
 * @param content SHA-256
 */
export async function chargeContent(
  tx: Tx,
  { id, ownerId }: Pick<Package, 'id' | 'ownerId'>,
  content: Uint8Array,
  sizeBytes: number,
): Promise<void> {
  await chargeOwner(tx, ownerId, async () => {
    const { rows } = await sql<{ isThere: boolean }>`
      select count(*) > 1 as "isThere" from (
        (select from oci_blob b join package p on p.id = b.package_id where b.content = ${content} and (p.owner_id = ${ownerId} or p.id = ${id}) limit 2)
        union all
        (select from package_file f join package p on p.id = f.package_id where f.content = ${content} and (p.owner_id = ${ownerId} or p.id = ${id}) limit 2)
        limit 2) as held`.execute(tx)
    return rows[0]?.isThere === true ? 0 : sizeBytes
  })
}
