-- migrate:up
-- What `stemma import` brought, so that the same command goes on where it was interrupted.
create table import (
  repository_id bigint primary key references repository on delete cascade,
  source text not null,            -- a folder, or a URL without what it said in secret
  refs_version bigint not null,    -- the repository's when its refs had been moved: what is later is somebody else's
  object_count bigint,             -- of all that its refs reach; null until that was verified
  imported_at timestamptz not null default now(),
  verified_at timestamptz,
  check ((object_count is null) = (verified_at is null))
);

-- A repository that is kept in step with one elsewhere.
create table mirror (
  id bigint generated always as identity primary key,
  repository_id bigint not null references repository on delete cascade,
  direction text not null check (direction in ('pull', 'push')),
  url text not null,               -- without user name and password
  secret text,                     -- the value of the Authorization header; given to that URL's server alone, shown nowhere
  refs text[] not null,            -- names, or beginnings of names with * at their end
  every_s integer not null check (every_s >= 10),
  due_at timestamptz not null default now(),
  holder uuid,                     -- the run that is under way
  leased_until timestamptz,        -- past: whoever ran it is gone
  failures integer not null default 0, -- runs that failed since the last that didn't
  error text,                      -- of the last run, null when it succeeded
  ended_at timestamptz,            -- of the last run
  succeeded_at timestamptz,
  created_at timestamptz not null default now(),
  unique (repository_id, direction, url),
  check ((holder is null) = (leased_until is null))
);
create index mirror_due on mirror (due_at);

alter table reflog add column reason text; -- `import`, `mirror`; null: a push

-- migrate:down
alter table reflog drop column reason;
drop table mirror, import;
