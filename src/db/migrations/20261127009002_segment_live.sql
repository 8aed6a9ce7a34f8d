-- migrate:up
-- Chunks that recipes named when somebody last looked; null: nobody has. What compaction chooses by.
alter table segment add column live_chunks integer;

-- migrate:down
alter table segment drop column live_chunks;
