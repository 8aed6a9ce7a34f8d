-- migrate:up
-- Whose packs a replaced key held: a purge can't wait for the grace of what was replaced before it.
alter table key_deletion add column network_id uuid;
create index key_deletion_network on key_deletion (network_id) where network_id is not null;

-- migrate:down
alter table key_deletion drop column network_id;
