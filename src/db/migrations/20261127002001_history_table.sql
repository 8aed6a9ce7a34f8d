-- migrate:up
-- What a network's commits are and add, for planning fetches: docs/design/history-key.md. Made in the background; can be made again at any time.
create table history (
  network_id uuid primary key references network on delete cascade,
  key text not null unique,
  size_bytes bigint not null,
  object_count bigint not null, -- of the packs that it covers: the network's first ones
  pack_count integer not null,
  last_pack bigint not null, -- id of the last of them
  created_at timestamptz not null default now()
);

-- migrate:down
drop table history;
