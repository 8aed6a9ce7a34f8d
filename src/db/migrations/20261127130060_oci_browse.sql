-- migrate:up
-- What the API has beyond the registry's own tables (docs/design/packages-api.md).

-- A version of a package, as GitHub's API numbers them.
alter table oci_manifest add column id bigint generated always as identity;
create unique index oci_manifest_id on oci_manifest (id);

-- Pulls of a manifest on a day (UTC); outlives the manifest.
create table oci_pull_day (
  package_id bigint not null references package on delete cascade,
  day date not null,
  digest bytea not null,
  pull_count bigint not null,
  primary key (package_id, day, digest)
);
create index oci_pull_day_day on oci_pull_day (day);
create function oci_manifest_pulled() returns trigger language plpgsql as $$
begin
  insert into oci_pull_day (package_id, day, digest, pull_count)
    select come.package_id, (now() at time zone 'UTC')::date, come.digest, come.pull_count - gone.pull_count
    from come join gone using (package_id, digest)
    where come.pull_count > gone.pull_count
    order by come.package_id, come.digest
    on conflict (package_id, day, digest) do update set pull_count = oci_pull_day.pull_count + excluded.pull_count;
  return null;
end $$;
create trigger oci_manifest_pulled after update on oci_manifest
  referencing old table as gone new table as come for each statement execute function oci_manifest_pulled();

-- migrate:down
drop trigger oci_manifest_pulled on oci_manifest;
drop function oci_manifest_pulled;
drop table oci_pull_day;
alter table oci_manifest drop column id;
