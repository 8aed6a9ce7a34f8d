-- migrate:up
-- The OCI registry (docs/design/oci.md). A digest is its bytes: 32 of SHA-256 or 64 of SHA-512.

-- Blobs that an image has. Its bytes are content, held by reference ('oci', package id) as long as the row is there.
create table oci_blob (
  package_id bigint not null references package on delete cascade,
  digest bytea not null check (octet_length(digest) in (32, 64)),
  content bytea not null check (octet_length(content) = 32), -- SHA-256: the same as digest, or of the same bytes
  size_bytes bigint not null,
  leased_until timestamptz not null, -- kept so long though no manifest names it
  created_at timestamptz not null default now(),
  primary key (package_id, digest)
);
create index oci_blob_digest on oci_blob (digest);
create index oci_blob_content on oci_blob (content, package_id);

create table oci_manifest (
  package_id bigint not null references package on delete cascade,
  digest bytea not null check (octet_length(digest) in (32, 64)),
  media_type text not null,
  artifact_type text, -- as referrers are listed by it
  subject bytea, -- of a referrer; what it names may be missing
  bytes bytea not null, -- exactly as pushed
  annotations jsonb, -- of a referrer
  pushed_at timestamptz not null default now(),
  pushed_by text, -- the actor's name in the audit
  pulled_at timestamptz,
  pull_count bigint not null default 0,
  primary key (package_id, digest)
);
create index oci_manifest_subject on oci_manifest (package_id, subject, digest) where subject is not null;

-- What a manifest names: its config and layers (blobs), or manifests of an index.
create table oci_manifest_part (
  package_id bigint not null,
  manifest bytea not null,
  ordinal integer not null,
  kind text not null check (kind in ('config', 'layer', 'manifest')),
  digest bytea not null,
  size_bytes bigint not null,
  media_type text not null,
  primary key (package_id, manifest, ordinal),
  foreign key (package_id, manifest) references oci_manifest on delete cascade
);
create index oci_manifest_part_digest on oci_manifest_part (package_id, digest);

create table oci_tag (
  package_id bigint not null,
  name text collate "C" not null check (length(name) between 1 and 128),
  digest bytea not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (package_id, name),
  foreign key (package_id, digest) references oci_manifest on delete cascade
);
create index oci_tag_digest on oci_tag (package_id, digest);

-- An upload that has begun (the bytes are the content store's), and the image it is for.
create table oci_upload (
  id uuid primary key,
  package_id bigint not null references package on delete cascade,
  created_at timestamptz not null default now()
);
create index oci_upload_package on oci_upload (package_id);

-- migrate:down
drop table oci_upload, oci_tag, oci_manifest_part, oci_manifest, oci_blob;
