-- migrate:up
-- How many objects the network had when all of its deltas were last searched anew; full repacks since then took those over. Null: no full repack made the pack.
alter table pack add column searched_objects bigint;

-- migrate:down
alter table pack drop column searched_objects;
