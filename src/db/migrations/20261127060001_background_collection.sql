-- migrate:up
-- What keeps objects for the time of grace where no reflog of the network tells of it: values of a deleted fork's refs, and
-- values that came with a push that was told they could not be refs. docs/design/gc.md.
create table past_root (
  network_id uuid not null references network on delete cascade,
  oid bytea not null check (octet_length(oid) in (20, 32)),
  at timestamptz not null default now(),
  primary key (network_id, oid)
);
create index past_root_at on past_root (at);

-- Networks that hold what nothing reaches any more: since when, and when it is to be collected.
create table network_review (
  network_id uuid primary key references network on delete cascade,
  since timestamptz not null,
  due_at timestamptz not null default now()
);
create index network_review_due on network_review (due_at);

-- migrate:down
drop table network_review, past_root;
