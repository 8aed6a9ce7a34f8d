-- migrate:up
-- Where the events of a repository, or of all repositories of an account, are sent (docs/design/webhooks.md).
create table hook (
  id bigint generated always as identity primary key,
  repository_id bigint references repository on delete cascade,
  account_id bigint references account on delete cascade,
  is_active boolean not null,
  events text[] not null,
  url text not null,
  content_type text not null check (content_type in ('json', 'form', 'cloudevents', 'cloudevents-binary')),
  insecure_ssl boolean not null,
  secret text, -- sealed: with the database alone nobody can read it
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  check ((repository_id is null) <> (account_id is null))
);
create index hook_repository on hook (repository_id) where repository_id is not null;
create index hook_account on hook (account_id) where account_id is not null;

-- An event as it is sent, to however many hooks.
create table hook_event (
  id bigint generated always as identity primary key,
  event text not null,
  action text,
  type text not null,    -- as CloudEvents name it: type, source, subject
  source text not null,
  subject text,
  payload text not null, -- the very bytes: they are signed
  at timestamptz not null default now()
);
create index hook_event_at on hook_event (at);

-- One try to send an event to a hook: under way or to come (due_at is set) or done. What is tried again is a row of its own.
create table hook_delivery (
  id bigint generated always as identity primary key,
  hook_id bigint not null references hook on delete cascade,
  event_id bigint not null references hook_event on delete cascade,
  guid uuid not null,       -- the same for all tries
  host text not null,       -- of the hook's URL: tries to one host are bounded
  is_redelivery boolean not null default false,
  tries int not null,       -- this one included, since the event or since somebody asked for it again
  due_at timestamptz,
  delivered_at timestamptz, -- when the try ended, whether it succeeded or not
  duration_ms int,
  status_code int,          -- null: no answer
  status text,              -- one line: OK, or what is wrong
  request jsonb,            -- its headers; the body follows from event and hook
  response_headers jsonb,
  response_body text,       -- its beginning
  check ((due_at is null) = (delivered_at is not null))
);
create index hook_delivery_due on hook_delivery (due_at) where due_at is not null;
create index hook_delivery_host on hook_delivery (host, due_at) where due_at is not null;
create index hook_delivery_hook on hook_delivery (hook_id, id) where due_at is null;
create index hook_delivery_event on hook_delivery (event_id);

-- migrate:down
drop table hook_delivery, hook_event, hook;
