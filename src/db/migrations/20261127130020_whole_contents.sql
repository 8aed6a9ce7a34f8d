-- migrate:up
-- Contents that are stored as they came, and uploads that become such: docs/design/content-store.md, Whole contents.

-- Null: it is stored otherwise, whole or opened.
alter table content alter column recipe drop not null;

-- Bytes that come in several requests.
create table content_upload (
  id uuid primary key,
  scope text not null check (length(scope) between 1 and 256), -- what it is for; elsewhere it is not there
  algorithm text not null check (algorithm in ('sha256', 'sha512')),
  size_bytes bigint not null default 0,
  part_count integer not null default 0,
  adding uuid, -- the request that adds to it or finishes it
  adding_until timestamptz, -- past: that request is gone
  begun_at timestamptz not null default now(),
  touched_at timestamptz not null default now()
) with (fillfactor = 50);
create index content_upload_scope on content_upload (scope);

-- That a content is stored whole, in parts. No cascade: whoever deletes it has its keys to delete.
create table content_whole (
  digest bytea primary key references content,
  read_at timestamptz not null default now(), -- about when somebody read it last
  created_at timestamptz not null default now()
);
create index content_whole_read on content_whole (read_at);

-- Bytes of an upload, or of a whole content: in the bucket under its UUID, or, of an upload and while small, here.
create table whole_part (
  uuid uuid primary key,
  upload_id uuid references content_upload,
  digest bytea references content_whole,
  ordinal integer not null,
  size_bytes bigint not null,
  stored_bytes bigint not null, -- of its key; 0: it is here
  tail bytea,
  sums bytea, -- CRC-32 of each MiB of a part in the bucket
  has_digest boolean not null, -- its key says which content ends with it
  verified_at timestamptz, -- as of a segment
  findings jsonb,
  created_at timestamptz not null default now(),
  check ((upload_id is null) <> (digest is null)),
  check (digest is null or tail is null),
  check ((tail is null) <> (sums is null))
);
alter table whole_part alter column tail set storage external;
alter table whole_part alter column sums set storage external;
create unique index whole_part_upload on whole_part (upload_id, ordinal) where upload_id is not null;
create unique index whole_part_content on whole_part (digest, ordinal) where digest is not null;
create index whole_part_verified on whole_part (coalesce(verified_at, created_at)) where digest is not null;
create index whole_part_findings on whole_part (uuid) where findings is not null;

-- migrate:down
drop table whole_part, content_whole, content_upload;
alter table content alter column recipe set not null;
