-- migrate:up
-- Grows when objects leave the network: a push that rests on what was stored before must not become visible (docs/design/gc.md).
alter table network add column generation bigint not null default 0;

-- migrate:down
alter table network drop column generation;
