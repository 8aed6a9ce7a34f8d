-- migrate:up
-- What of an upstream was published more recently isn't shown (docs/design/npm-upstream.md). Of npm's alone.
alter table package_upstream add column min_age_s integer not null default 0 check (min_age_s >= 0 and (min_age_s = 0 or format = 'npm'));

-- migrate:down
alter table package_upstream drop column min_age_s;
