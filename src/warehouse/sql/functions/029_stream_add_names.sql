-- A row that one writer has inserted and not yet committed makes every other that brings the same key wait, to the end
-- of the batch. So names come ahead of the batch, in a transaction of their own that lasts a moment. A batch that then
-- comes to nothing leaves names to which no line refers, as a line does that is replaced. stream.add_heads still adds
-- what is missing.
create or replace procedure stream.add_names(
  p_countries text[], p_customers text[], p_stock_codes text[], p_descriptions text[]
)
language plpgsql set enable_seqscan = off as $$
begin
  insert into shop.country (country)
  select new.country from unnest(p_countries) as new(country)
  where not exists (select from shop.country as known where known.country = new.country)
  order by new.country collate "C"
  on conflict do nothing;

  insert into shop.customer (customer_id)
  select new.customer_id from unnest(p_customers) as new(customer_id)
  where not exists (select from shop.customer as known where known.customer_id = new.customer_id)
  order by new.customer_id collate "C"
  on conflict do nothing;

  insert into shop.product (stock_code, description, kind)
  select new.stock_code, new.description, shop.product_kind(new.stock_code)
  from unnest(p_stock_codes, p_descriptions) as new(stock_code, description)
  where not exists (select from shop.product as known
                    where known.stock_code = new.stock_code
                      and (known.description is not null or new.description is null))
  order by new.stock_code collate "C"
  on conflict (stock_code) do update set description = excluded.description
  where product.description is null and excluded.description is not null;
end
$$;
comment on procedure stream.add_names(text[], text[], text[], text[]) is
  'Adds the countries, customers and products that are new, and descriptions to products which had none, in key order. '
  'Call it before a batch that brings them, in a transaction of its own. No name may come twice.';
