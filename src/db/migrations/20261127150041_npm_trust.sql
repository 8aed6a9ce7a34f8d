-- migrate:up
-- CI jobs that may publish a package: docs/design/npm-access.md, "Trusted publishing".
create table npm_trust (
  id uuid primary key,
  package_id bigint not null references package on delete cascade,
  provider text not null check (provider in ('github', 'gitlab')),
  issuer text not null, -- of ci.issuers when it was made
  claims jsonb not null, -- as npm's clients say them
  permissions text[] not null check (cardinality(permissions) > 0),
  created_by bigint references account on delete set null,
  created_at timestamptz not null default now()
);
create index npm_trust_package on npm_trust (package_id);

-- migrate:down
drop table npm_trust;
