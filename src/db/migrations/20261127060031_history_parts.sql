-- migrate:up
-- A history table grows by parts that go on where the one before them ends, so that growing doesn't write all of it again: docs/design/history-key.md.
-- `object_count`, `pack_count` and `last_age` are of all parts up to this one.
alter table history
  add column part integer not null default 0,
  add column last_age bigint not null default 0, -- age of the last pack that is covered
  drop constraint history_pkey,
  add primary key (network_id, part);
update history set last_age = coalesce(
  (select max(coalesce(age, id)) from pack where pack.network_id = history.network_id and pack.id <= history.last_pack), 0);

-- migrate:down
delete from history where part > 0;
alter table history drop constraint history_pkey, drop column part, drop column last_age, add primary key (network_id);
