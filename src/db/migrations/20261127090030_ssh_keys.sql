-- migrate:up
-- SSH: docs/design/ssh.md.
-- A public key by which an account, or whoever acts for one repository (a deploy key), is known. It belongs to one of the two, and to one alone.
create table ssh_key (
  id bigint generated always as identity primary key,
  account_id bigint references account on delete cascade,
  repository_id bigint references repository on delete cascade,
  title text not null,
  type text not null,
  blob bytea not null,
  fingerprint bytea not null unique check (octet_length(fingerprint) = 32), -- SHA-256 of the blob
  is_read_only boolean not null,
  added_by bigint references account on delete set null,
  created_at timestamptz not null default now(),
  last_used_at timestamptz,
  check ((account_id is null) <> (repository_id is null))
);
create index ssh_key_account on ssh_key (account_id) where account_id is not null;
create index ssh_key_repository on ssh_key (repository_id) where repository_id is not null;

-- The server's own keys, one of each type: every node shows the same.
create table ssh_host_key (
  type text primary key,
  private_key text not null,
  created_at timestamptz not null default now()
);

-- migrate:down
drop table ssh_key, ssh_host_key;
