-- migrate:up
-- Keys that users sign commits and tags with (docs/design/signatures.md). Nobody is let in by them. The same key may stand with several users: whose a
-- signature is follows from the address in the object, too.
create table ssh_signing_key (
  id bigint generated always as identity primary key,
  account_id bigint not null references account on delete cascade,
  title text not null,
  blob bytea not null,        -- the public key as it goes over the wire
  fingerprint bytea not null, -- SHA-256 of it
  created_at timestamptz not null default now(),
  unique (account_id, fingerprint)
);
create index ssh_signing_key_fingerprint on ssh_signing_key (fingerprint);

create table gpg_key (
  id bigint generated always as identity primary key,
  account_id bigint not null references account on delete cascade,
  name text not null,
  fingerprint text not null, -- hex, of the primary key
  key_ids text[] not null,   -- hex, of the primary key and its subkeys: what signatures name
  armored text not null,
  facts jsonb not null,      -- what the key says of itself, as it was read when it came
  created_at timestamptz not null default now(),
  unique (account_id, fingerprint)
);
create index gpg_key_key_ids on gpg_key using gin (key_ids);

-- Whether somebody other than the user himself says that the address is his: an administrator, the operator, an OIDC provider.
alter table account add column email_is_verified boolean not null default false;

-- migrate:down
alter table account drop column email_is_verified;
drop table gpg_key, ssh_signing_key;
