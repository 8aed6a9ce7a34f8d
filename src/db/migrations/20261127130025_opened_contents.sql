-- migrate:up
-- Contents that are kept as what is inside of them: docs/design/opened-contents.md.

create table content_opened (
  digest bytea primary key references content on delete cascade,
  inner_digest bytea not null references content, -- the content that holds the parts
  plain_digest bytea not null, -- SHA-256 of what is inside: of an OCI layer, its diff id
  form bytea not null, -- how it is made again
  engine text not null, -- what makes it again, for people and figures
  stored_bytes bigint not null, -- what opening it added to what is stored
  created_at timestamptz not null default now()
);
alter table content_opened alter column form set storage external;
create index content_opened_inner on content_opened (inner_digest);
create index content_opened_plain on content_opened (plain_digest);

-- However such a row goes, also by a cascade: what it rests on is held no longer.
create function content_opened_gone() returns trigger language plpgsql as $$
begin
  delete from content_reference where kind = 'opened' and id in (select encode(digest, 'hex') from gone);
  return null;
end $$;
create trigger content_opened_gone after delete on content_opened
  referencing old table as gone for each statement execute function content_opened_gone();

-- Contents that are to be opened, and those that were looked at and left as they are.
create table content_opening (
  digest bytea primary key references content on delete cascade,
  due_at timestamptz, -- since when; null: it was looked at and left, for that reason
  attempts integer not null default 0, -- that failed without a reason of the content's own
  reason text
);
create index content_opening_due on content_opening (due_at) where due_at is not null;

-- What is stored whole is to be opened.
create function content_whole_new() returns trigger language plpgsql as $$
begin
  insert into content_opening (digest, due_at)
    select digest, now() from added where digest not in (select digest from content_opened) order by digest on conflict (digest) do nothing;
  return null;
end $$;
create trigger content_whole_new after insert on content_whole
  referencing new table as added for each statement execute function content_whole_new();

-- migrate:down
drop trigger content_whole_new on content_whole;
drop function content_whole_new;
drop table content_opening, content_opened;
drop function content_opened_gone;
