-- migrate:up
-- Made anew of all that the network had (full repack): compaction leaves it as it is, and measures by it what came since.
alter table pack add column is_full boolean not null default false;

-- migrate:down
alter table pack drop column is_full;
