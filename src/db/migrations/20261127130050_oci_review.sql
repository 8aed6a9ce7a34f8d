-- migrate:up
-- What may have become unneeded in the registry, noted by whoever took something away: docs/design/oci-keeping.md. A row is a reason to look, and nothing more:
-- there may be several for one thing, so that nobody waits for anybody else's.
create table oci_review (
  id bigint generated always as identity primary key,
  package_id bigint not null references package on delete cascade,
  kind text not null check (kind in ('blob', 'manifest')),
  digest bytea not null,
  noted_at timestamptz not null default now() -- of what came with a lease: when that ends
);
create index oci_review_due on oci_review (kind, noted_at);
create index oci_review_of on oci_review (package_id, digest);

-- When somebody who may publish was told that it is there: he may leave it out and publish what names it.
alter table oci_manifest add column confirmed_at timestamptz not null default now();

create function oci_blob_come() returns trigger language plpgsql as $$
begin
  insert into oci_review (package_id, kind, digest, noted_at) select package_id, 'blob', digest, leased_until from come;
  return null;
end $$;
create trigger oci_blob_come after insert on oci_blob
  referencing new table as come for each statement execute function oci_blob_come();

-- However a row goes, also with its package: what it held is let go, unless another row holds the same bytes by another digest. Content's row first: whoever
-- holds it at this moment is waited for and seen, or waits.
create function oci_blob_gone() returns trigger language plpgsql as $$
begin
  perform from content where digest in (select content from gone) order by digest for update;
  delete from content_reference using (select distinct package_id, content from gone) as let_go
    where kind = 'oci' and id = let_go.package_id::text and content_reference.digest = let_go.content
      and not exists (select from oci_blob b where b.package_id = let_go.package_id and b.content = let_go.content);
  return null;
end $$;
create trigger oci_blob_gone after delete on oci_blob
  referencing old table as gone for each statement execute function oci_blob_gone();

create function oci_manifest_come() returns trigger language plpgsql as $$
begin
  insert into oci_review (package_id, kind, digest) select package_id, 'manifest', digest from come;
  return null;
end $$;
create trigger oci_manifest_come after insert on oci_manifest
  referencing new table as come for each statement execute function oci_manifest_come();

-- Of a package that goes as a whole nothing is noted: its rows go with it.
create function oci_manifest_gone() returns trigger language plpgsql as $$
begin
  insert into oci_review (package_id, kind, digest)
    select m.package_id, 'manifest', m.digest from gone join oci_manifest m on m.package_id = gone.package_id and m.subject = gone.digest
    where exists (select from package where id = gone.package_id);
  return null;
end $$;
create trigger oci_manifest_gone after delete on oci_manifest
  referencing old table as gone for each statement execute function oci_manifest_gone();

create function oci_manifest_part_gone() returns trigger language plpgsql as $$
begin
  insert into oci_review (package_id, kind, digest)
    select distinct package_id, case kind when 'manifest' then 'manifest' else 'blob' end, digest from gone
    where exists (select from package where id = gone.package_id);
  return null;
end $$;
create trigger oci_manifest_part_gone after delete on oci_manifest_part
  referencing old table as gone for each statement execute function oci_manifest_part_gone();

create function oci_tag_gone() returns trigger language plpgsql as $$
begin
  insert into oci_review (package_id, kind, digest)
    select distinct gone.package_id, 'manifest', gone.digest from gone join oci_manifest m on m.package_id = gone.package_id and m.digest = gone.digest;
  return null;
end $$;
create trigger oci_tag_gone after delete on oci_tag
  referencing old table as gone for each statement execute function oci_tag_gone();

create function oci_tag_moved() returns trigger language plpgsql as $$
begin
  insert into oci_review (package_id, kind, digest)
    select distinct gone.package_id, 'manifest', gone.digest from gone join come using (package_id, name) where come.digest <> gone.digest;
  return null;
end $$;
create trigger oci_tag_moved after update on oci_tag
  referencing old table as gone new table as come for each statement execute function oci_tag_moved();

-- What is there already.
insert into oci_review (package_id, kind, digest, noted_at) select package_id, 'blob', digest, leased_until from oci_blob;
insert into oci_review (package_id, kind, digest) select package_id, 'manifest', digest from oci_manifest;

-- migrate:down
drop trigger oci_tag_moved on oci_tag;
drop trigger oci_tag_gone on oci_tag;
drop trigger oci_manifest_part_gone on oci_manifest_part;
drop trigger oci_manifest_gone on oci_manifest;
drop trigger oci_manifest_come on oci_manifest;
drop trigger oci_blob_gone on oci_blob;
drop trigger oci_blob_come on oci_blob;
drop function oci_tag_moved, oci_tag_gone, oci_manifest_part_gone, oci_manifest_gone, oci_manifest_come, oci_blob_gone, oci_blob_come;
alter table oci_manifest drop column confirmed_at;
drop table oci_review;
