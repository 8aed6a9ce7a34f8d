-- migrate:up
-- Which commits of a network changed which paths, in parts that go on where the one before them ends: docs/design/paths-key.md.
create table path_table (
  network_id uuid not null references network on delete cascade,
  part integer not null,
  key text not null unique,
  size_bytes bigint not null,
  change_count bigint not null, -- in this part
  commit_count bigint not null, -- in all parts up to this one
  last_pack bigint not null, -- packs up to this id are done with: all their commits are in the parts up to this one
  created_at timestamptz not null default now(),
  primary key (network_id, part)
);

-- migrate:down
drop table path_table;
