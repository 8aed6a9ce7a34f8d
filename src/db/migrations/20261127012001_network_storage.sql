-- migrate:up
-- What a network's packs hold, as counted at a version of them: docs/design/storage.md.
create table network_storage (
  network_id uuid primary key references network on delete cascade,
  packs_version bigint not null,
  object_count bigint not null,
  logical_bytes bigint not null, -- of each object once
  whole_bytes bigint not null, -- of those that are stored whole, and what they take
  whole_stored_bytes bigint not null,
  delta_bytes bigint not null, -- the same of those that are stored as deltas
  delta_stored_bytes bigint not null,
  copy_count bigint not null, -- entries of objects that another pack holds, too
  copy_stored_bytes bigint not null,
  counted_at timestamptz not null default now()
);

-- migrate:down
drop table network_storage;
