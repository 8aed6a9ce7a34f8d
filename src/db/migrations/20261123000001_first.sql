-- migrate:up
create table account (
  id bigint generated always as identity primary key,
  login text not null check (login ~ '^[A-Za-z0-9]([A-Za-z0-9_.-]{0,62}[A-Za-z0-9])?$'),
  is_admin boolean not null default false,
  created_at timestamptz not null default now()
);
create unique index account_login on account (lower(login));

-- The secret itself is shown once and never stored.
create table token (
  id bigint generated always as identity primary key,
  account_id bigint not null references account on delete cascade,
  name text not null,
  hash bytea not null unique check (octet_length(hash) = 32), -- SHA-256 of the secret: secrets are 160 random bits, so no slow hash is needed
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  last_used_at timestamptz,
  unique (account_id, name) -- so that a token can be named to revoke it
);

-- A network owns objects (packs); its repositories (a parent and its forks) own refs.
create table network (
  id uuid primary key default gen_random_uuid(),
  object_format text not null check (object_format in ('sha1', 'sha256')),
  packs_version bigint not null default 0, -- grows with every change of its pack rows: readers' caches compare it
  created_at timestamptz not null default now()
) with (fillfactor = 80); -- updated with every push: room on the page for the new row, so that no index is touched

create table repository (
  id bigint generated always as identity primary key,
  owner_id bigint not null references account,
  network_id uuid not null references network,
  name text not null check (name ~ '^[A-Za-z0-9_.-]{1,100}$' and name not in ('.', '..') and name !~* '\.git$'),
  description text,
  visibility text not null check (visibility in ('public', 'private')),
  head text not null default 'refs/heads/main', -- what HEAD points to; the ref may not exist yet
  refs_version bigint not null default 0,       -- grows with every change of its refs or head
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  pushed_at timestamptz
) with (fillfactor = 80);
create unique index repository_owner_name on repository (owner_id, lower(name));
create index repository_network on repository (network_id);

create table ref (
  repository_id bigint not null references repository on delete cascade,
  name text collate "C" not null,
  oid bytea not null check (octet_length(oid) in (20, 32)),
  peeled bytea check (octet_length(peeled) in (20, 32)), -- for an annotated tag: what it finally points to
  primary key (repository_id, name)
) with (fillfactor = 85);

create table reflog (
  id bigint generated always as identity primary key,
  repository_id bigint not null references repository on delete cascade,
  name text collate "C" not null,
  old_oid bytea, -- null: the ref was created
  new_oid bytea, -- null: the ref was deleted
  account_id bigint references account on delete set null,
  at timestamptz not null default now()
);
create index reflog_repository on reflog (repository_id, name collate "C", id);

-- A bucket key that is being written: an orphan when the row outlives its lease. Inserted before the first byte; deleted in the
-- transaction that makes the key visible.
create table upload_intent (
  key text primary key,
  expires_at timestamptz not null,
  created_at timestamptz not null default now()
);
create index upload_intent_expires on upload_intent (expires_at);

-- A pack of a network. Exactly one of key (in the bucket) and tail (small: here) holds its bytes: docs/design/pack-key.md.
create table pack (
  id bigint generated always as identity primary key,
  network_id uuid not null references network on delete cascade,
  key text unique,
  tail bytea,
  size_bytes bigint not null,      -- of the whole value: pack, index, footer
  pack_bytes bigint not null,      -- of the pack alone, trailer included
  object_count bigint not null,
  created_at timestamptz not null default now(),
  check ((key is null) <> (tail is null))
);
create index pack_network on pack (network_id, id);
alter table pack alter column tail set storage external; -- packs are compressed already

-- A key to delete: nothing refers to it any more. Kept until the delete succeeded.
create table key_deletion (
  key text primary key,
  not_before timestamptz not null default now()
);
create index key_deletion_not_before on key_deletion (not_before);

-- What happened, for the rooms above; written in the transaction of the act itself.
create table outbox (
  id bigint generated always as identity primary key,
  kind text not null,
  repository_id bigint,
  payload jsonb not null,
  at timestamptz not null default now()
);

-- Work that one node at a time does in the background. A node takes a kind by writing its own id and a lease that it keeps renewing.
create table job (
  kind text primary key,
  due_at timestamptz not null default now(),
  holder uuid,              -- the node that runs it now
  leased_until timestamptz, -- past: whoever held it is gone
  ended_at timestamptz,     -- of the last run, whether it succeeded or not
  error text,               -- of the last run, null when it succeeded
  check ((holder is null) = (leased_until is null))
);

-- Facts about the database itself; schema_floor is the oldest server version number that may run on it.
create table server_fact (
  name text primary key,
  value text not null
);
insert into server_fact (name, value) values ('schema_floor', '1');

-- migrate:down
drop table server_fact, job, outbox, key_deletion, pack, upload_intent, reflog, ref, repository, network, token, account;
