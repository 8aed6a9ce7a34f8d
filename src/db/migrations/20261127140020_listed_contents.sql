-- migrate:up
-- File lists of archives that aren't opened, but stored as they came or in chunks: docs/design/opened-contents.md.

create table content_listed (
  digest bytea primary key references content on delete cascade,
  inner_digest bytea not null references content, -- the content that holds the list
  plain_digest bytea not null, -- SHA-256 of what is inside: of an OCI layer, its diff id
  form bytea not null, -- where in it the list stands
  created_at timestamptz not null default now()
);
alter table content_listed alter column form set storage external;
create index content_listed_inner on content_listed (inner_digest);
create index content_listed_plain on content_listed (plain_digest);

-- However such a row goes, also by a cascade: its list is held no longer.
create function content_listed_gone() returns trigger language plpgsql as $$
begin
  delete from content_reference where kind = 'listed' and id in (select encode(digest, 'hex') from gone);
  return null;
end $$;
create trigger content_listed_gone after delete on content_listed
  referencing old table as gone for each statement execute function content_listed_gone();

-- What was left before there were differences and lists is looked into again.
update content_opening set due_at = now(), attempts = 0 where due_at is null and reason in ('no-engine', 'does-not-pay', 'not-the-same');

-- migrate:down
drop table content_listed;
drop function content_listed_gone;
