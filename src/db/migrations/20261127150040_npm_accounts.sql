-- migrate:up
-- Who calls, and who may, as npm's clients ask it: docs/design/npm-access.md.

alter table token
  add column package_ids bigint[], -- beside owner_ids and repository_ids: only these
  add column bypasses_otp boolean not null default false, -- made for machines, which have no second factor
  drop constraint token_bearer_kind,
  add constraint token_bearer_kind check (kind in ('lfs', 'ci') or (repository_id is not null) = (kind = 'deploy'));

-- A second factor: RFC 6238. One row for each account that has one, or is about to.
create table account_otp (
  account_id bigint primary key references account on delete cascade,
  secret text not null, -- sealed
  mode text not null check (mode in ('auth-only', 'auth-and-writes')),
  confirmed_at timestamptz, -- null: its owner hasn't shown yet that he has it
  last_step bigint not null default 0, -- of the last code that was taken: none of it or before it is taken again
  last_run bytea, -- whose it was: SHA-256 of a token's id and of what its client calls its run
  recovery_codes bytea[] not null default '{}', -- SHA-256 of those that are left
  failed_count integer not null default 0, -- in a row
  failed_at timestamptz,
  created_at timestamptz not null default now()
);

-- A client that waits for somebody to let it in by a browser.
create table client_login (
  page_hash bytea primary key check (octet_length(page_hash) = 32), -- of what the page's address holds
  poll_hash bytea not null unique check (octet_length(poll_hash) = 32), -- of what the client asks with
  browser_hash bytea check (octet_length(browser_hash) = 32), -- of the first browser that opened it, which alone may answer
  account_id bigint references account on delete cascade, -- whoever has let it in
  is_refused boolean not null default false,
  client text not null, -- what it is a client of: npm
  ip text not null,
  user_agent text,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null
);
create index client_login_expires on client_login (expires_at);

-- What a package asks of whoever publishes it; null: nothing. `automation`: but not of machines' tokens.
alter table npm_package add column mfa text check (mfa in ('publish', 'automation'));

-- migrate:down
alter table npm_package drop column mfa;
drop table client_login, account_otp;
delete from token where kind = 'ci' and repository_id is null;
alter table token
  drop constraint token_bearer_kind,
  add constraint token_bearer_kind check (kind = 'lfs' or (repository_id is not null) = (kind in ('deploy', 'ci'))),
  drop column bypasses_otp,
  drop column package_ids;
