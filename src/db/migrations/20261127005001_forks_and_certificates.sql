-- migrate:up
-- True once a second repository was in the network, and for ever: what a deleted fork has left there is nobody's to take.
alter table network add column is_shared boolean not null default false;

-- Of a fork: what it was forked from, while that exists.
alter table repository add column parent_id bigint references repository on delete set null;
create index repository_parent on repository (parent_id) where parent_id is not null;

-- The certificate of a signed push, as it came. Who signed it is decided by whoever knows keys; the nonce was judged when it came.
create table push_certificate (
  id bigint generated always as identity primary key,
  repository_id bigint not null references repository on delete cascade,
  account_id bigint references account on delete set null,
  certificate bytea not null,
  pusher text,          -- as the certificate says
  pushee text,          -- the URL that the signer meant
  nonce_status text not null check (nonce_status in ('OK', 'SLOP', 'BAD', 'UNSOLICITED', 'MISSING')),
  nonce_slop_s bigint,  -- how old the nonce was when it came; null where it isn't ours
  at timestamptz not null default now()
);
create index push_certificate_repository on push_certificate (repository_id, id);

alter table reflog add column certificate_id bigint; -- of push_certificate; no constraint: both go with the repository

-- migrate:down
alter table reflog drop column certificate_id;
drop table push_certificate;
alter table repository drop column parent_id;
alter table network drop column is_shared;
