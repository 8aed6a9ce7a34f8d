-- migrate:up
-- Git's own settings of one repository, as git config has them: {"receive.denydeletes": ["true"], "transfer.hiderefs": ["refs/pull", "!refs/pull/1"]}.
-- Section and name in small letters, a subsection as it is; every value a list, in the order of the file. What isn't set has the server's default.
alter table repository add column settings jsonb not null default '{}' check (jsonb_typeof(settings) = 'object');

-- migrate:down
alter table repository drop column settings;
