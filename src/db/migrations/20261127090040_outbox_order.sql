-- migrate:up
-- Rows of the outbox in an order that nothing is put into later: by the transaction that wrote them (docs/design/outbox.md). Null: older than that,
-- and read by nobody.
alter table outbox add column xid xid8;
alter table outbox alter column xid set default pg_current_xact_id();
create index outbox_order on outbox (xid, id);

-- Who reads the outbox, and the last row that he is done with.
create table outbox_consumer (
  name text primary key,
  xid xid8 not null,
  id bigint not null
);

-- migrate:down
drop table outbox_consumer;
alter table outbox drop column xid;
