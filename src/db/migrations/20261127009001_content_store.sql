-- migrate:up
-- The content store: docs/design/content-store.md.

-- Blocks of chunks, written once: in the bucket under its UUID, or, while small, here.
create table segment (
  id bigint generated always as identity primary key,
  uuid uuid not null unique,
  tail bytea, -- the value; null: it is in the bucket
  size_bytes bigint not null,
  index_bytes bigint not null, -- of its end: sections, directory and trailer
  chunk_count integer not null,
  draining_since timestamptz, -- null: live
  review_at timestamptz, -- when to look whether it is still needed; null: nothing has changed since somebody did
  created_at timestamptz not null default now()
);
alter table segment alter column tail set storage external; -- compressed already
create index segment_review on segment (review_at) where review_at is not null;
create index segment_draining on segment (draining_since) where draining_since is not null;
create index segment_tail on segment (id) where tail is not null and draining_since is null;

create table content (
  digest bytea primary key check (octet_length(digest) = 32),
  size_bytes bigint not null,
  recipe bytea not null,
  leased_until timestamptz not null, -- kept so long without a reference
  created_at timestamptz not null default now()
);
alter table content alter column recipe set storage external;

-- Which segments a recipe names.
create table content_segment (
  segment_id bigint not null references segment,
  digest bytea not null references content on delete cascade,
  primary key (segment_id, digest)
);
create index content_segment_digest on content_segment (digest);

-- Why content is kept: rows that other rooms write, in the transaction of what needs it.
create table content_reference (
  kind text not null,
  id text not null check (length(id) between 1 and 256),
  digest bytea not null references content,
  primary key (kind, id, digest)
);
create index content_reference_digest on content_reference (digest);

-- Content that perhaps nothing needs any more.
create table content_review (
  digest bytea primary key,
  due_at timestamptz not null
);
create index content_review_due on content_review (due_at);

-- However a reference goes, also by a cascade: its content is looked at.
create function content_reference_gone() returns trigger language plpgsql as $$
begin
  insert into content_review (digest, due_at)
    select distinct digest, now() + interval '1 day' from gone order by digest
    on conflict (digest) do nothing;
  return null;
end $$;
create trigger content_reference_gone after delete on content_reference
  referencing old table as gone for each statement execute function content_reference_gone();

-- Where a chunk is found by those that have the same: of live segments only.
create table chunk (
  hash bytea primary key,
  segment_id bigint not null, -- no constraint: it would be asked for every chunk; both go in one transaction
  ordinal integer not null
);
create index chunk_segment on chunk (segment_id);

-- migrate:down
drop table chunk, content_review, content_reference;
drop function content_reference_gone;
drop table content_segment, content, segment;
