-- In key order, so that two processors which add the same rows wait for each other but never deadlock.
create or replace function stream.add_heads(
  p_known text[], p_heads stream.head_change[], p_products stream.product_change[]
) returns stream.head[]
language plpgsql set enable_seqscan = off as $$
declare
  v_heads stream.head[];
begin
  insert into shop.country (country)
  select distinct change.country from unnest(p_heads) as change
  where not exists (select from shop.country as known where known.country = change.country)
  order by change.country
  on conflict do nothing;

  insert into shop.customer (customer_id)
  select distinct change.customer_id from unnest(p_heads) as change
  where change.customer_id is not null
    and not exists (select from shop.customer as known where known.customer_id = change.customer_id)
  order by change.customer_id
  on conflict do nothing;

  call stream.add_products(p_products);
  v_heads := stream.number_parts(p_known, p_heads);

  insert into shop.invoice (invoice_no, part, customer_id, country, invoiced_at)
  select head.invoice_no, head.part, head.customer_id, head.country, head.invoiced_at
  from unnest(v_heads) as head
  where not head.is_known
  order by head.invoice_no, head.part;
  return v_heads;
end
$$;
comment on function stream.add_heads(text[], stream.head_change[], stream.product_change[]) is
  'Adds the rows that lines refer to: country, customer, product, invoice. Returns the batch''s heads with their '
  'parts.';
