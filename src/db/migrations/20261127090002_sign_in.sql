-- migrate:up
-- Who an OIDC provider says that someone is (docs/design/sign-in.md).
create table external_identity (
  issuer text not null,
  subject text not null,
  account_id bigint not null references account on delete cascade,
  created_at timestamptz not null default now(),
  primary key (issuer, subject)
);
create index external_identity_account on external_identity (account_id);

-- A sign-in by OIDC that is under way, by the SHA-256 of its state.
create table oidc_login (
  state_hash bytea primary key check (octet_length(state_hash) = 32),
  nonce text not null,
  code_verifier text not null,
  return_to text not null,
  account_id bigint references account on delete cascade, -- of whoever was signed in when he began
  expires_at timestamptz not null
);
create index oidc_login_expires on oidc_login (expires_at);

-- Which CI jobs may act in a repository: by claims of their id-tokens.
create table ci_trust (
  id bigint generated always as identity primary key,
  repository_id bigint not null references repository on delete cascade,
  name text not null,
  issuer text not null,
  claims jsonb not null, -- claim → pattern
  scopes text[] not null,
  lifetime_s integer not null check (lifetime_s between 60 and 3600),
  created_by bigint references account on delete set null,
  created_at timestamptz not null default now(),
  unique (repository_id, name)
);

-- Id-tokens that were exchanged, until they expire: each is worth one token.
create table ci_exchange (
  issuer text not null,
  jti text not null,
  expires_at timestamptz not null,
  primary key (issuer, jti)
);
create index ci_exchange_expires on ci_exchange (expires_at);

-- migrate:down
drop table ci_exchange, ci_trust, oidc_login, external_identity;
