-- migrate:up
-- What git-lfs-authenticate gives out: for one repository, for a while, and no longer than the key is there that it was given for.
alter table token
  add column ssh_key_id bigint references ssh_key on delete cascade,
  drop constraint token_kind_check,
  add constraint token_kind_check check (kind in ('personal', 'session', 'deploy', 'ci', 'lfs')),
  drop constraint token_bearer_kind,
  add constraint token_bearer_kind check (kind = 'lfs' or (repository_id is not null) = (kind in ('deploy', 'ci'))),
  add constraint token_ssh_key check ((ssh_key_id is not null) = (kind = 'lfs'));
create index token_ssh_key on token (ssh_key_id, expires_at) where ssh_key_id is not null;

-- migrate:down
delete from token where kind = 'lfs';
alter table token
  drop column ssh_key_id,
  drop constraint token_kind_check,
  add constraint token_kind_check check (kind in ('personal', 'session', 'deploy', 'ci')),
  drop constraint token_bearer_kind,
  add constraint token_bearer_kind check ((repository_id is not null) = (kind in ('deploy', 'ci')));
