-- migrate:up
-- What retention has left without a name goes when its lease ends, also where nothing else without a tag does: docs/design/oci-keeping.md.
alter table oci_review drop constraint oci_review_kind_check;
alter table oci_review add constraint oci_review_kind_check check (kind in ('blob', 'manifest', 'left'));
alter table oci_review add column takes_referrers boolean not null default false; -- of what is left: what refers to it is, too

-- migrate:down
delete from oci_review where kind = 'left';
alter table oci_review drop column takes_referrers;
alter table oci_review drop constraint oci_review_kind_check;
alter table oci_review add constraint oci_review_kind_check check (kind in ('blob', 'manifest'));
