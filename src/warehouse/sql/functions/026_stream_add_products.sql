-- Only rows that change are named in the insert: "on conflict do update" locks also those that its condition leaves
-- out, and other writers would wait for them.
create or replace procedure stream.add_products(p_products stream.product_change[])
language plpgsql set enable_seqscan = off as $$
declare
  v_nameless constant text[] := array(
    select distinct change.stock_code from unnest(p_products) as change
    where not exists (select from shop.product as known
                      where known.stock_code = change.stock_code and known.description is not null)
  );
begin
  if cardinality(v_nameless) = 0 then
    return;
  end if;
  insert into shop.product (stock_code, description, kind)
  select new.stock_code, new.description, shop.product_kind(new.stock_code)
  from (
    select line.stock_code,
           (array_agg(line.description order by line."offset") filter (where line.description is not null))[1]
             as description
    from pg_temp.incoming as line
    where line.stock_code in (select unnest(v_nameless))
    group by line.stock_code
  ) as new
  where new.description is not null
    or not exists (select from shop.product as known where known.stock_code = new.stock_code)
  order by new.stock_code
  on conflict (stock_code) do update set description = excluded.description
  where product.description is null and excluded.description is not null;
end
$$;
comment on procedure stream.add_products(stream.product_change[]) is
  'Adds the products that are new, and the description of those which had none.';
