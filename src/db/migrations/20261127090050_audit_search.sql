-- migrate:up
-- What the audit is searched by beside owner, repository and time: who did it, as he was called then, and the word of what was done.
create index audit_actor_name on audit (lower(actor), id);
create index audit_action on audit (action, id);

-- migrate:down
drop index audit_action;
drop index audit_actor_name;
