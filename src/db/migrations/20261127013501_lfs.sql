-- migrate:up
-- Git LFS: docs/design/lfs.md.

-- That a repository has an LFS object: whoever may read the one may read the other.
create table lfs_object (
  repository_id bigint not null references repository on delete cascade,
  oid bytea not null check (octet_length(oid) = 32),
  size_bytes bigint not null,
  created_at timestamptz not null default now(),
  primary key (repository_id, oid)
);

-- However a row goes, also with its repository: what it held is let go.
create function lfs_object_gone() returns trigger language plpgsql as $$
begin
  delete from content_reference using gone
    where kind = 'lfs' and id = gone.repository_id::text and digest = gone.oid;
  return null;
end $$;
create trigger lfs_object_gone after delete on lfs_object
  referencing old table as gone for each statement execute function lfs_object_gone();

create table lfs_lock (
  id uuid primary key default gen_random_uuid(),
  repository_id bigint not null references repository on delete cascade,
  path text collate "C" not null check (octet_length(path) between 1 and 1024),
  account_id bigint not null references account on delete cascade,
  locked_at timestamptz not null default now(),
  unique (repository_id, path)
);

-- migrate:down
drop table lfs_lock, lfs_object;
drop function lfs_object_gone;
