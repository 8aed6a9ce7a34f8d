-- migrate:up
-- Documents of packages that come from upstreams, as they came (docs/design/npm-upstream.md).
create sequence npm_upstream_revision;
create table npm_upstream_document (
  package_id bigint not null references package on delete cascade,
  form text not null check (form in ('full', 'abbreviated')),
  document bytea not null, -- zstd
  size_bytes bigint not null, -- unpacked
  has_time boolean not null, -- says when each version was published
  digest bytea not null check (octet_length(digest) = 32), -- SHA-256 of what came, unpacked
  etag text, -- the upstream's; with this form asked for
  last_modified text,
  revision bigint not null default nextval('npm_upstream_revision'),
  checked_at timestamptz not null default now(), -- compared with the upstream's
  asked_at timestamptz not null default now(), -- by a client; about
  primary key (package_id, form)
);
alter table npm_upstream_document alter column document set storage external;

-- migrate:down
drop table npm_upstream_document;
drop sequence npm_upstream_revision;
