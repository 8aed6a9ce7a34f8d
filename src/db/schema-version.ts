// Which schemas this server can run on. A migration that older servers can't live with (a dropped or renamed column, a new duty) raises
// server_fact.schema_floor to the version of the server that comes with it, and this number grows with it; other migrations leave both.

/** This server's number: it runs on a database whose schema_floor is at most this. */
export const schemaVersion = 1

/** The oldest PostgreSQL that the SQL is written for, as server_version_num. */
export const oldestPostgres = 150_000
