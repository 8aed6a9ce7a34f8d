// History tables that are no longer right leave: their rows now, their keys when nobody can be about to load them.
import { type RawBuilder, sql, type Tx } from '../../db/index.ts'

/** @param which of the network's rows @param notBefore when the keys may be deleted */
export async function dropHistory(tx: Tx, networkId: string, which: RawBuilder<unknown>, notBefore: RawBuilder<Date>): Promise<void> {
  await sql`
    with gone as (delete from history where network_id = ${networkId} and ${which} returning key)
    insert into key_deletion (key, not_before) select key, ${notBefore} from gone`.execute(tx)
}
