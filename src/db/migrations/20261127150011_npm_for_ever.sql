-- migrate:up
-- A version that was removed never comes again, also not by a publish that began before the removal: it waits for the old row, and then looks with fresh eyes.
create function package_version_came() returns trigger language plpgsql as $$
begin
  if exists (
    select from package p join package_tombstone t on t.owner_id = p.owner_id and t.format = p.format and t.name = lower(p.name) and t.version_key = new.version_key
    where p.id = new.package_id)
  then
    raise exception using errcode = 'SV001', message = 'the version was removed for ever';
  end if;
  return null;
end $$;
create trigger package_version_came after insert on package_version for each row execute function package_version_came();

-- migrate:down
drop function package_version_came cascade;
