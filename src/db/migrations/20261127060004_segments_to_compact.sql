-- migrate:up
-- What compaction of the content store chooses from, once a minute: few of many segments (src/store/compact.ts; 16777216: half of what a segment may have).
create index segment_compactable on segment ((tail is null), id)
  where draining_since is null and (size_bytes < 16777216 or live_chunks * 2 < chunk_count);

-- migrate:down
drop index segment_compactable;
