-- migrate:up
-- The place of a pack among those of its network (docs/design/pack-key.md, Bases outside); null: its id. Set where a pack was put in the place of older ones.
alter table pack add column age bigint;

-- migrate:down
alter table pack drop column age;
