-- Foreign keys for whole batches (docs/decisions/0002-foreign-keys-by-batch.md). The row-by-row check costs more than
-- all the rest of a batch. stream.add_heads inserts what lines refer to, and stream.add_lines checks the batch at
-- once; a superuser (the private cluster's owner) may leave the row-by-row check out for these two. For anybody else
-- both run.
do $$
begin
  if (select rolsuper from pg_catalog.pg_roles where rolname = current_user) then
    alter function stream.add_heads(text[], stream.head_change[], stream.product_change[])
      set session_replication_role = replica;
    alter procedure stream.add_lines(stream.head[], stream.product_change[], bigint)
      set session_replication_role = replica;
  end if;
end
$$;

-- The row-by-row check would also lock the row that is referred to. Here whoever deletes such a row waits for the
-- batches under way, each of which holds its tables in row exclusive mode; then the foreign key's own check sees them.
create or replace function shop.hold_references() returns trigger
language plpgsql as $$
begin
  lock table shop.invoice, shop.invoice_line in share mode;
  return null;
end
$$;

drop trigger if exists hold_references on shop.country;
create trigger hold_references before delete or update of country on shop.country
for each statement execute function shop.hold_references();
drop trigger if exists hold_references on shop.customer;
create trigger hold_references before delete or update of customer_id on shop.customer
for each statement execute function shop.hold_references();
drop trigger if exists hold_references on shop.product;
create trigger hold_references before delete or update of stock_code on shop.product
for each statement execute function shop.hold_references();
