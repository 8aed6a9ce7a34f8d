-- migrate:up
-- How much an owner may store, and how much that was when it was counted last, with what came since. No row: the server's limit, and nobody has counted.
create table owner_quota (
  owner_id bigint primary key references account on delete cascade,
  has_own_limit boolean not null default false, -- false: the server's own (server_fact 'quota_owner_bytes')
  limit_bytes bigint check (limit_bytes >= 0),  -- with has_own_limit; null: as much as it likes
  used_bytes bigint not null default 0,
  counted_at timestamptz not null default '-infinity',
  check (has_own_limit or limit_bytes is null)
);

-- What pushes have brought through a repository: by it the repositories of a network share what the network stores.
alter table repository add column pushed_bytes bigint not null default 0;
-- The same of repositories that are deleted: nobody's share.
alter table network add column departed_bytes bigint not null default 0;

update repository r set pushed_bytes = coalesce((select sum(size_bytes) from pack p where p.network_id = r.network_id), 0)
where r.id = (select min(id) from repository o where o.network_id = r.network_id);

-- The quota's row before the network's, as pushes take them.
create function repository_left() returns trigger language plpgsql as $$
begin
  update owner_quota set counted_at = '-infinity' where owner_id = old.owner_id;
  if tg_op = 'DELETE' then
    update network set departed_bytes = departed_bytes + old.pushed_bytes where id = old.network_id and old.pushed_bytes > 0;
  else
    update owner_quota set counted_at = '-infinity' where owner_id = new.owner_id;
  end if;
  return null;
end $$;
create trigger repository_deleted after delete on repository for each row execute function repository_left();
create trigger repository_transferred after update of owner_id on repository for each row
  when (old.owner_id is distinct from new.owner_id) execute function repository_left();

-- migrate:down
drop trigger repository_transferred on repository;
drop trigger repository_deleted on repository;
drop function repository_left();
alter table network drop column departed_bytes;
alter table repository drop column pushed_bytes;
drop table owner_quota;
