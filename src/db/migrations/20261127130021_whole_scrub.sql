-- migrate:up
-- A whole content is scrubbed as one: its parts make its digest together only. docs/design/content-store.md, Checking.
alter table whole_part drop column verified_at, drop column findings;
alter table content_whole add column verified_at timestamptz, add column findings jsonb;
create index content_whole_verified on content_whole (coalesce(verified_at, created_at));
create index content_whole_findings on content_whole (digest) where findings is not null;

-- Contents whose bytes have to be made again for each reader, and how often that was of late: who is read often is made whole again.
create table content_cold_read (
  digest bytea primary key references content on delete cascade,
  reads integer not null,
  since timestamptz not null default now()
);

-- migrate:down
drop table content_cold_read;
alter table content_whole drop column verified_at, drop column findings;
alter table whole_part add column verified_at timestamptz, add column findings jsonb;
create index whole_part_verified on whole_part (coalesce(verified_at, created_at)) where digest is not null;
create index whole_part_findings on whole_part (uuid) where findings is not null;
