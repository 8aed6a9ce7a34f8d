-- migrate:up
-- What the npm registry signs versions with, and what is searched (docs/design/npm.md).

-- The newest one signs; the others' signatures stay good, for what was published before they ended.
create table npm_signing_key (
  keyid text primary key, -- SHA256:{base64 of the public key's digest}
  public_key text not null, -- base64 of SubjectPublicKeyInfo
  private_key text not null, -- PKCS#8 PEM, sealed
  created_at timestamptz not null default now(),
  expires_at timestamptz
);

create table npm_signature (
  version_id bigint not null references package_version on delete cascade,
  keyid text not null references npm_signing_key,
  signature text not null, -- base64: ECDSA over name@version:integrity
  primary key (version_id, keyid)
);

-- One row for each package that can be searched: of the version that `latest` names.
create table npm_search (
  package_id bigint primary key references package on delete cascade,
  name text not null, -- in small letters
  keywords text[] not null, -- in small letters
  authors text[] not null, -- whoever is named as its author, in small letters
  maintainers text[] not null, -- the owner and whoever published the version, in small letters
  summary text not null, -- JSON: what is shown of it
  document tsvector not null
);
create index npm_search_document on npm_search using gin (document);
create index npm_search_keywords on npm_search using gin (keywords);

-- Packages whose row is older than they are: written by whatever raises a revision, taken out by the next search.
create table npm_search_due (
  package_id bigint primary key references package on delete cascade
);
create function npm_search_is_due() returns trigger language plpgsql as $$
begin
  -- locks a row that is there: whoever takes it out waits until this counts
  insert into npm_search_due (package_id) values (new.package_id) on conflict (package_id) do update set package_id = excluded.package_id;
  return null;
end $$;
create trigger npm_search_is_due after insert or update of revision on npm_package for each row execute function npm_search_is_due();
insert into npm_search_due (package_id) select package_id from npm_package;

-- migrate:down
drop trigger npm_search_is_due on npm_package;
drop function npm_search_is_due;
drop table npm_search_due, npm_search, npm_signature, npm_signing_key;
