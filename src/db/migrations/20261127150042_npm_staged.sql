-- migrate:up
-- Versions that wait for somebody's word: docs/design/npm-access.md, "Staged publishing".
create table npm_staged (
  id uuid primary key,
  package_id bigint not null references package on delete cascade,
  version text not null,
  version_key text not null,
  content bytea not null check (octet_length(content) = 32), -- SHA-256 of the tarball; held by the reference ('npm-staged', id)
  size_bytes bigint not null,
  publication text not null, -- JSON: what will stand in its rows
  attestation text, -- JSON; null: none came
  staged_by text not null, -- the actor's name in the audit
  staged_as text not null check (staged_as in ('user', 'token', 'oidc')), -- in npm's words
  created_at timestamptz not null default now(),
  unique (package_id, version_key)
);

-- Content's row first, as for package_file: whoever holds it at this moment is waited for and seen, or waits.
create function npm_staged_gone() returns trigger language plpgsql as $$
begin
  perform from content where digest in (select content from gone) order by digest for update;
  delete from content_reference r using gone g where r.kind = 'npm-staged' and r.id = g.id::text;
  return null;
end $$;
create trigger npm_staged_gone after delete on npm_staged
  referencing old table as gone for each statement execute function npm_staged_gone();

-- migrate:down
drop table npm_staged;
drop function npm_staged_gone;
