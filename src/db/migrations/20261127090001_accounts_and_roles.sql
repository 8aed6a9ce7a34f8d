-- migrate:up
-- In the order of what they allow: greatest() of two is the one that counts.
create type role as enum ('read', 'write', 'admin');

alter table account
  add column kind text not null default 'user' check (kind in ('user', 'organization')),
  add column display_name text,
  add column email text,
  add column password_hash text, -- argon2id, as a PHC string; null: no password opens it
  add column suspended_at timestamptz,
  add constraint account_organization check (kind = 'user' or (not is_admin and password_hash is null));

create table membership (
  organization_id bigint not null references account on delete cascade,
  account_id bigint not null references account on delete cascade,
  role role not null, -- in all repositories of the organization
  created_at timestamptz not null default now(),
  primary key (organization_id, account_id)
);
create index membership_account on membership (account_id);

create table collaborator (
  repository_id bigint not null references repository on delete cascade,
  account_id bigint not null references account on delete cascade,
  role role not null,
  created_at timestamptz not null default now(),
  primary key (repository_id, account_id)
);
create index collaborator_account on collaborator (account_id);

alter table repository drop constraint repository_visibility_check;
alter table repository add constraint repository_visibility_check check (visibility in ('public', 'internal', 'private'));

-- A token is an account's (personal, or its session in a browser) or a repository's (of a deployment, of a CI job).
alter table token
  alter column account_id drop not null,
  add column kind text not null default 'personal' check (kind in ('personal', 'session', 'deploy', 'ci')),
  add column repository_id bigint references repository on delete cascade,
  add column scopes text[],          -- null: whatever its bearer may
  add column owner_ids bigint[],     -- with repository_ids: only what belongs to these, and these; both null: everything
  add column repository_ids bigint[],
  add column created_by bigint references account on delete set null,
  add column claims jsonb,           -- of a CI job: who its provider says that it is
  add constraint token_bearer check ((account_id is null) <> (repository_id is null)),
  add constraint token_bearer_kind check ((repository_id is not null) = (kind in ('deploy', 'ci')));
create index token_repository on token (repository_id) where repository_id is not null;
create index token_expires on token (expires_at) where kind in ('session', 'ci');

-- Every change of access and every administrative act, by the transaction of the act. It names things by word as well as by id: rows of it outlive them.
create table audit (
  id bigint generated always as identity primary key,
  at timestamptz not null default now(),
  action text not null,
  actor_id bigint,
  actor text not null,
  owner_id bigint,
  repository_id bigint,
  target text not null,
  details jsonb not null default '{}',
  ip text,
  request_id text
);
create index audit_owner on audit (owner_id, id);
create index audit_actor on audit (actor_id, id);
create index audit_repository on audit (repository_id, id);
create index audit_at on audit (at);

-- migrate:down
drop table audit;
alter table token drop constraint token_bearer, drop constraint token_bearer_kind;
delete from token where account_id is null;
alter table token drop column kind, drop column repository_id, drop column scopes, drop column owner_ids, drop column repository_ids,
  drop column created_by, drop column claims, alter column account_id set not null;
update repository set visibility = 'private' where visibility = 'internal';
alter table repository drop constraint repository_visibility_check;
alter table repository add constraint repository_visibility_check check (visibility in ('public', 'private'));
drop table collaborator, membership;
alter table account drop constraint account_organization, drop column kind, drop column display_name, drop column email, drop column password_hash, drop column suspended_at;
drop type role;
