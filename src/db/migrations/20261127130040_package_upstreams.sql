-- migrate:up
-- Where packages come from that aren't their owner's own: an upstream, declared for a place (docs/design/oci-upstream.md).
create table package_upstream (
  id bigint generated always as identity primary key,
  owner_id bigint not null references account on delete cascade,
  format text not null check (format in ('oci')),
  path text collate "C" not null check (length(path) <= 200), -- segments that names begin with; empty: all of the owner's
  url text not null, -- https://host/path, without a slash at the end
  auth_origin text, -- of a token endpoint that isn't at the upstream's own origin
  username text,
  secret text, -- sealed
  visibility text not null check (visibility in ('public', 'internal', 'private')), -- of all packages that come from it
  fresh_s integer not null check (fresh_s >= 0), -- so long a tag isn't compared again
  keep_s integer not null check (keep_s > 0), -- what nobody has pulled for so long is evicted
  most_bytes bigint check (most_bytes >= 0), -- more than this is evicted, too
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  check ((username is null) = (secret is null))
);
create unique index package_upstream_place on package_upstream (owner_id, format, path);

-- Null: the owner's own.
alter table package add column upstream_id bigint references package_upstream;
create index package_of_upstream on package (upstream_id) where upstream_id is not null;

-- When a tag was compared with the upstream's.
create table oci_upstream_tag (
  package_id bigint not null,
  name text collate "C" not null,
  checked_at timestamptz not null default now(),
  primary key (package_id, name),
  foreign key (package_id, name) references oci_tag on delete cascade
);

-- migrate:down
drop table oci_upstream_tag;
alter table package drop column upstream_id;
drop table package_upstream;
