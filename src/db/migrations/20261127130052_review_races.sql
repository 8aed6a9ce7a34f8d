-- migrate:up
-- A review that is under way when a reference goes has seen the reference and takes its row away: the one that is noted here has to be a new one. `do nothing`
-- saw the row that was about to go, and noted nothing: the content was never looked at again. `do update` waits for the review, or makes it pass over the row.
create or replace function content_reference_gone() returns trigger language plpgsql as $$
begin
  insert into content_review (digest, due_at)
    select distinct digest, now() + interval '1 day' from gone order by digest
    on conflict (digest) do update set due_at = greatest(content_review.due_at, excluded.due_at);
  return null;
end $$;

-- What a package held makes room again.
create function package_left() returns trigger language plpgsql as $$
begin
  update owner_quota set counted_at = '-infinity' where owner_id = old.owner_id;
  return null;
end $$;
create trigger package_deleted after delete on package for each row execute function package_left();

-- migrate:down
drop trigger package_deleted on package;
drop function package_left();
create or replace function content_reference_gone() returns trigger language plpgsql as $$
begin
  insert into content_review (digest, due_at)
    select distinct digest, now() + interval '1 day' from gone order by digest
    on conflict (digest) do nothing;
  return null;
end $$;
