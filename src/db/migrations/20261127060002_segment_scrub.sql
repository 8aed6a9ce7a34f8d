-- migrate:up
-- When the scrub last read the segment back and compared it with its hashes, and what it found wrong then: docs/design/content-store.md, Checking.
-- Null: it hasn't yet; its arrival counts then.
alter table segment add column verified_at timestamptz;
alter table segment add column findings jsonb; -- null: nothing was wrong
create index segment_verified on segment (coalesce(verified_at, created_at));
create index segment_findings on segment (id) where findings is not null;

-- migrate:down
alter table segment drop column findings;
alter table segment drop column verified_at;
