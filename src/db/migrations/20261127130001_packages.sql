-- migrate:up
-- What is published under an owner's name: images, later npm and plain packages (docs/design/packages.md).
create table package (
  id bigint generated always as identity primary key,
  owner_id bigint not null references account,
  format text not null check (format in ('oci')),
  name text not null check (length(name) between 1 and 255), -- without the owner's
  visibility text not null check (visibility in ('public', 'internal', 'private')),
  repository_id bigint references repository on delete set null, -- it is linked to; whoever has a role there has it here
  is_link_set boolean not null default false, -- by somebody, so no label changes it
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create unique index package_name on package (owner_id, format, lower(name));
create index package_repository on package (repository_id) where repository_id is not null;

-- migrate:down
drop table package;
