-- migrate:up
-- Packages that are versions with files (docs/design/packages.md), and npm's (docs/design/npm.md).

alter table package drop constraint package_format_check;
alter table package add constraint package_format_check check (format in ('oci', 'npm', 'generic'));
alter table package_upstream drop constraint package_upstream_format_check;
alter table package_upstream add constraint package_upstream_format_check check (format in ('oci', 'npm'));
-- null: a claim: the place is the owner's own, and nothing of it comes from the upstream of a shorter place
alter table package_upstream alter column url drop not null;
alter table package_upstream add constraint package_upstream_claim check (url is not null or (format = 'npm' and username is null and auth_origin is null));

create table package_version (
  id bigint generated always as identity primary key,
  package_id bigint not null references package on delete cascade,
  version text not null check (length(version) between 1 and 256), -- as published
  version_key text not null, -- what two versions that are the same have in common; its format's business
  published_at timestamptz not null default now(),
  published_by text not null, -- the actor's name in the audit
  download_count bigint not null default 0,
  downloaded_at timestamptz,
  unique (package_id, version_key)
);
create index package_version_newest on package_version (package_id, published_at desc, id desc);

-- The bytes are content, held by reference ('package', package id) as long as one of the package's files has them.
create table package_file (
  version_id bigint not null references package_version on delete cascade,
  package_id bigint not null references package on delete cascade,
  name text not null check (length(name) between 1 and 512),
  content bytea not null check (octet_length(content) = 32), -- SHA-256
  size_bytes bigint not null,
  sha1 bytea check (octet_length(sha1) = 20), -- where its format asks for it
  sha512 bytea check (octet_length(sha512) = 64),
  created_at timestamptz not null default now(),
  primary key (version_id, name)
);
create index package_file_content on package_file (content, package_id);
create index package_file_package on package_file (package_id, name);

-- The last file of a package with some content takes the hold with it, also when the package goes. Content's row first: whoever holds it at this moment is waited
-- for and seen, or waits.
create function package_file_gone() returns trigger language plpgsql as $$
begin
  perform from content where digest in (select content from gone) order by digest for update;
  delete from content_reference r using (select distinct package_id, content from gone) g
  where r.kind = 'package' and r.id = g.package_id::text and r.digest = g.content
    and not exists (select from package_file f where f.package_id = g.package_id and f.content = g.content);
  return null;
end $$;
create trigger package_file_gone after delete on package_file
  referencing old table as gone for each statement execute function package_file_gone();

create table package_download_day (
  version_id bigint not null references package_version on delete cascade,
  day date not null,
  count bigint not null,
  primary key (version_id, day)
);

-- Versions that were there and never come again, in formats whose versions are for ever.
create table package_tombstone (
  owner_id bigint not null references account on delete cascade,
  format text not null,
  name text not null, -- of the package, in small letters
  version_key text not null,
  removed_at timestamptz not null default now(),
  primary key (owner_id, format, name, version_key)
);
create function package_version_gone() returns trigger language plpgsql as $$
begin
  insert into package_tombstone (owner_id, format, name, version_key)
  select p.owner_id, p.format, lower(p.name), v.version_key from package_version v join package p on p.id = v.package_id
  where p.id = old.id and p.format = 'npm' and p.upstream_id is null
  on conflict do nothing;
  return old;
end $$;
create trigger package_version_gone before delete on package for each row execute function package_version_gone();

create table npm_package (
  package_id bigint primary key references package on delete cascade,
  revision bigint not null default 1, -- raised by whatever changes a packument
  modified_at timestamptz not null default now(),
  readme text,
  readme_filename text
);

create table npm_version (
  version_id bigint primary key references package_version on delete cascade,
  package_id bigint not null references package on delete cascade,
  manifest text not null, -- JSON: package.json as published, without `dist` and the readme
  unpacked_bytes bigint not null,
  file_count integer not null,
  has_install_script boolean not null,
  deprecated text, -- what users are told; null: it isn't
  git_head text,
  created_at timestamptz not null default now()
);
create index npm_version_package on npm_version (package_id);

create table npm_tag (
  package_id bigint not null references package on delete cascade,
  tag text collate "C" not null check (length(tag) between 1 and 214),
  version_id bigint not null references package_version on delete cascade,
  updated_at timestamptz not null default now(),
  primary key (package_id, tag)
);
create index npm_tag_version on npm_tag (version_id);

-- migrate:down
drop table npm_tag, npm_version, npm_package, package_tombstone, package_download_day, package_file, package_version;
drop function package_file_gone, package_version_gone cascade;
alter table package_upstream drop constraint package_upstream_claim;
delete from package_upstream where url is null;
alter table package_upstream alter column url set not null;
