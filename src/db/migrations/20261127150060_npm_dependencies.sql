-- migrate:up
-- Who needs what: what a version's manifest says, by name, so that a package's dependants are found (docs/design/packages-api.md, npm packages).
create table npm_dependency (
  version_id bigint not null references package_version on delete cascade,
  name text collate "C" not null check (length(name) between 1 and 256),
  kind text not null check (kind in ('dependencies', 'peerDependencies', 'optionalDependencies')),
  range text not null check (length(range) <= 256),
  primary key (version_id, name, kind)
);
create index npm_dependency_name on npm_dependency (name);

-- migrate:down
drop table npm_dependency;
