-- migrate:up
-- When the scrub last read the pack back and compared it with its hashes: docs/design/fsck.md. Null: it hasn't yet; its arrival counts then.
alter table pack add column verified_at timestamptz;
create index pack_verified on pack (coalesce(verified_at, created_at));

-- What it found the last time that it looked there.
create table scrub_finding (
  id bigint generated always as identity primary key,
  network_id uuid not null references network on delete cascade,
  pack_id bigint,          -- null: it is about the network
  finding jsonb not null,  -- as `stemma fsck --json` has it
  found_at timestamptz not null default now()
);
create index scrub_finding_network on scrub_finding (network_id);

-- migrate:down
drop table scrub_finding;
alter table pack drop column verified_at;
