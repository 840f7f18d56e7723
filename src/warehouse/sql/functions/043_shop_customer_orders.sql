create or replace function shop.customer_orders(p_customer_id text)
returns table (invoice_no text, invoiced_at timestamp, kind text, lines bigint, quantity bigint, amount numeric,
               country text)
language sql stable as $$
  select head.invoice_no, min(head.invoiced_at) at time zone shop.time_zone(), min(head.kind), count(*),
         sum(line.quantity), sum(line.quantity * line.unit_price), string_agg(distinct head.country, ', ')
  from shop.invoice as head
  join shop.invoice_line as line using (invoice_no, part)
  where head.customer_id = p_customer_id
  group by head.invoice_no
  order by min(head.invoiced_at), head.invoice_no
$$;
comment on function shop.customer_orders(text) is
  'A customer''s invoices from the first to the last, cancellations too.';
