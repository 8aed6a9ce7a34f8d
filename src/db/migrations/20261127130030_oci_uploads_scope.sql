-- migrate:up
-- An upload is the content store's alone: its scope there says which image it is for (docs/design/oci.md).
drop table oci_upload;

-- migrate:down
create table oci_upload (
  id uuid primary key,
  package_id bigint not null references package on delete cascade,
  created_at timestamptz not null default now()
);
create index oci_upload_package on oci_upload (package_id);
