-- migrate:up
-- Rules of what stays: tags that may not move, and what retention takes away (docs/design/oci-keeping.md). Of a package, or of all packages of an owner.

-- `*` stands for any run of characters, `?` for one; everything else for itself. As LIKE has it.
create function oci_glob(pattern text) returns text language sql immutable strict parallel safe as $$
  select translate(replace(replace(replace(pattern, '\', '\\'), '_', '\_'), '%', '\%'), '*?', '%_')
$$;

create table oci_tag_rule (
  id bigint generated always as identity primary key,
  owner_id bigint references account on delete cascade,
  package_id bigint references package on delete cascade,
  tags text collate "C" not null check (length(tags) between 1 and 128),
  except_tags text[] collate "C" not null default '{}',
  created_at timestamptz not null default now(),
  check ((owner_id is null) <> (package_id is null))
);
create index oci_tag_rule_owner on oci_tag_rule (owner_id) where owner_id is not null;
create index oci_tag_rule_package on oci_tag_rule (package_id) where package_id is not null;

-- Under the lock of the row that would move or go, whoever does it. A package that goes as a whole takes its tags with it; who empties one first says so.
create function oci_tag_holds() returns trigger language plpgsql as $$
declare rule text;
begin
  if current_setting('stemma.tags_may_go', true) is distinct from 'on' then
    select r.tags into rule from oci_tag_rule r join package p on r.package_id = p.id or r.owner_id = p.owner_id
      where p.id = old.package_id and old.name like oci_glob(r.tags)
        and not exists (select from unnest(r.except_tags) e where old.name like oci_glob(e)) limit 1;
    if found then
      raise exception using errcode = 'SM001', message = format('the tag %s is immutable, by the rule %s', old.name, rule);
    end if;
  end if;
  if tg_op = 'DELETE' then return old; end if;
  return new;
end $$;
create trigger oci_tag_may_move before update on oci_tag for each row
  when (old.digest is distinct from new.digest or old.name is distinct from new.name) execute function oci_tag_holds();
create trigger oci_tag_may_go before delete on oci_tag for each row execute function oci_tag_holds();

create table oci_retention (
  id bigint generated always as identity primary key,
  owner_id bigint unique references account on delete cascade,
  package_id bigint unique references package on delete cascade,
  policy jsonb not null,
  due_at timestamptz not null default now(), -- when it is applied next
  updated_at timestamptz not null default now(),
  check ((owner_id is null) <> (package_id is null))
);
create index oci_retention_due on oci_retention (due_at);

-- migrate:down
drop table oci_retention;
drop trigger oci_tag_may_go on oci_tag;
drop trigger oci_tag_may_move on oci_tag;
drop function oci_tag_holds;
drop table oci_tag_rule;
drop function oci_glob;
