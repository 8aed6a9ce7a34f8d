// Documents of the storage figures. All counts are whole numbers, all sizes bytes.
import Type, { type Static } from 'typebox'

const bytes = (description: string) => Type.Number({ description })

const git = {
  objects: Type.Number({ description: 'each counted once, however many packs hold it' }),
  logical_bytes: bytes('of these objects, whole and inflated'),
  stored_bytes: Type.Object({
    total: bytes('of all below'),
    packs: bytes('packs in the bucket'),
    indexes: bytes('their indexes, in the same values'),
    tails: bytes('packs and indexes that are rows in PostgreSQL, being small'),
    histories: bytes('history tables'),
    path_tables: bytes('path tables'),
  }),
  packs: Type.Number(),
  keys: Type.Number({ description: 'values in the bucket' }),
  saved_bytes: Type.Object({
    delta: bytes('by objects that are stored as deltas: their size less what the deltas take'),
    compression: bytes('by objects that are stored whole: their size less what they take'),
  }),
  copies: Type.Object(
    { objects: Type.Number(), stored_bytes: bytes('what they take') },
    { description: 'of objects that another pack holds, too: a repack gives that back' },
  ),
}
const GitStorageJson = Type.Object(git)
export type GitStorageJson = Static<typeof GitStorageJson>

export const RepositoryStorageJson = Type.Object({
  shared_with_forks: Type.Boolean({ description: 'the figures are of the whole network: forks and parents included' }),
  ...git,
})

export const ServerStorageJson = Type.Object({
  git: Type.Object({
    networks: Type.Number(),
    networks_counted: Type.Number({
      description: 'objects, logical_bytes, saved_bytes and copies are of these; the others are counted soon',
    }),
    ...git,
  }),
  content: Type.Object({
    contents: Type.Number(),
    chunks: Type.Number(),
    segments: Type.Number(),
    logical_bytes: bytes('each digest once'),
    stored_bytes: Type.Object({
      total: Type.Number(),
      segments: Type.Number(),
      tails: Type.Number(),
      recipes: Type.Number(),
      whole: Type.Number(),
      uploads: Type.Number(),
    }),
    keys: Type.Number(),
    saved_bytes: Type.Object({ dedup_and_compression: bytes('logical bytes less stored ones') }),
  }),
  requests: Type.Object(
    {
      puts: Type.Number(),
      gets: Type.Number(),
      heads: Type.Number(),
      deletes: Type.Number(),
      lists: Type.Number(),
      retries: Type.Number(),
      failures: Type.Number(),
      bytes_written: Type.Number(),
      bytes_read: Type.Number(),
    },
    { description: 'of this node to the bucket, since it began; what its worker threads asked is up to a second late' },
  ),
})
