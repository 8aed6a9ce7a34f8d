-- migrate:up
-- What was published beside a tarball, signed: where it was built, of what (docs/design/npm.md, Provenance).
create table npm_attestation (
  version_id bigint not null references package_version on delete cascade,
  predicate_type text not null check (length(predicate_type) between 1 and 512),
  bundle text not null, -- Sigstore's JSON, as it came
  -- `structure`: it is about this tarball, and nobody could say more; `signature`: and whoever signed has the key that the bundle names;
  -- `root`: and a root that the operator trusts vouches for that key
  verified text not null check (verified in ('structure', 'signature', 'root')),
  signer text, -- as the certificate names it
  created_at timestamptz not null default now(),
  primary key (version_id, predicate_type)
);

-- Names that are alike to a reader: `lookAlikeKey`.
create index package_npm_alike on package (owner_id, translate(lower(name), '-_.', '')) where format = 'npm' and upstream_id is null;

-- migrate:down
drop index package_npm_alike;
drop table npm_attestation;
