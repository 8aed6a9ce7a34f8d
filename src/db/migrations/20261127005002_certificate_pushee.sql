-- migrate:up
-- Whether the URL that the signer meant names this repository, as it was called then: a certificate for another one says nothing here.
alter table push_certificate add column is_pushee_right boolean not null default false;

-- migrate:down
alter table push_certificate drop column is_pushee_right;
