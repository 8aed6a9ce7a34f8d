-- migrate:up
-- Objects that a repository wrote through the API, which it may read and build upon before a ref reaches them: for the time of grace, as what
-- past_root keeps of them (docs/design/api-writes.md).
create table api_object (
  repository_id bigint not null references repository (id) on delete cascade,
  oid bytea not null,
  at timestamptz not null default now(),
  primary key (repository_id, oid)
);
create index api_object_by_time on api_object (at);

-- migrate:down
drop table api_object;
