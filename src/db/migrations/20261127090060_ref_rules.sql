-- migrate:up
-- Which refs of a repository are protected, and who may do what to them (docs/design/protected-refs.md).
create table ref_rule (
  id bigint generated always as identity primary key,
  repository_id bigint not null references repository on delete cascade,
  pattern text not null, -- of full ref names: * within one part of a name, ** across parts
  binds_admins boolean not null default true, -- else it doesn't hold whoever administers the repository
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (repository_id, pattern)
);

-- Whoever no row of a rule lets do a thing may not do it.
create table ref_rule_grant (
  rule_id bigint not null references ref_rule on delete cascade,
  act text not null check (act in ('push', 'force', 'delete')),
  role role check (role <> 'read'), -- whoever has it, or a higher one
  account_id bigint references account on delete cascade,
  is_deploy boolean check (is_deploy), -- the repository's own tokens and keys
  check (num_nonnulls(role, account_id, is_deploy) = 1)
);
create index ref_rule_grant_rule on ref_rule_grant (rule_id);
create index ref_rule_grant_account on ref_rule_grant (account_id) where account_id is not null;

-- Who moves refs locks this row first: without rules nothing more is asked.
alter table repository add column has_ref_rules boolean not null default false;

-- stemma.protectedRefs become rules: who could push still can, nobody forces or deletes. Its * stood for any characters, / among them: what stood between
-- slashes is ** now, what stood elsewhere takes a second rule for names with more parts.
with old as (
  select id, case when value like 'refs/%' then value else 'refs/heads/' || value end as pattern
  from repository, jsonb_array_elements_text(settings -> 'stemma.protectedrefs') as value
), fresh as (
  select id, regexp_replace(regexp_replace(pattern, '\*+', '*', 'g'), '(?<=/)\*(?=/|$)', '**', 'g') as pattern from old
), made as (
  insert into ref_rule (repository_id, pattern)
  select id, pattern from fresh
  union
  select id, regexp_replace(pattern, '(?<!\*)\*(?!\*)', '*/**/*', 'g') from fresh where pattern ~ '(?<!\*)\*(?!\*)'
  returning id
)
insert into ref_rule_grant (rule_id, act, role, is_deploy)
select id, 'push', 'write'::role, null::boolean from made union all select id, 'push', null, true from made;
update repository set has_ref_rules = true where id in (select repository_id from ref_rule);
update repository set settings = settings - 'stemma.protectedrefs' where settings ? 'stemma.protectedrefs';

-- migrate:down
update repository set settings = settings || jsonb_build_object('stemma.protectedrefs',
  (select jsonb_agg(distinct regexp_replace(pattern, '\*+', '*', 'g')) from ref_rule where repository_id = repository.id))
where has_ref_rules;
alter table repository drop column has_ref_rules;
drop table ref_rule_grant, ref_rule;
