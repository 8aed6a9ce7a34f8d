-- migrate:up
-- LFS objects leave when no pointer names them any more: docs/design/lfs.md, Objects leave.
-- When somebody last uploaded the object, or asked to: what is about to be pushed is pointed to by nothing yet.
alter table lfs_object add column asked_at timestamptz not null default now();
update lfs_object set asked_at = created_at;

-- Repositories that have LFS objects: when to look at them, and when it was last looked for what no pointer names.
create table lfs_review (
  repository_id bigint primary key references repository on delete cascade,
  due_at timestamptz not null,
  looked_at timestamptz
);
create index lfs_review_due on lfs_review (due_at);
insert into lfs_review (repository_id, due_at) select distinct repository_id, now() from lfs_object;

-- However a row comes, also with a fork.
create function lfs_object_come() returns trigger language plpgsql as $$
begin
  insert into lfs_review (repository_id, due_at)
    select distinct repository_id, now() + interval '1 hour' from come order by repository_id
    on conflict (repository_id) do nothing;
  return null;
end $$;
create trigger lfs_object_come after insert on lfs_object
  referencing new table as come for each statement execute function lfs_object_come();

-- migrate:down
drop trigger lfs_object_come on lfs_object;
drop function lfs_object_come;
drop table lfs_review;
alter table lfs_object drop column asked_at;
