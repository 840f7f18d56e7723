create or replace function report.cancelled_orders(
  p_from timestamp default null, p_to timestamp default null, p_count integer default null
)
returns table (invoice_no text, invoiced_at timestamp, customer_id text, country text, lines bigint,
               quantity bigint, amount numeric)
language sql stable as $$
  select line.invoice_no, min(line.invoiced_at) at time zone shop.time_zone(),
         string_agg(distinct line.customer_id, ', '), string_agg(distinct line.country, ', '), count(*),
         sum(line.quantity)::bigint, sum(line.amount)
  from shop.lines_between(p_from at time zone shop.time_zone(), p_to at time zone shop.time_zone()) as line
  where left(line.invoice_no, 1) = 'C'
  group by line.invoice_no
  order by sum(line.amount), line.invoice_no
  limit p_count
$$;
comment on function report.cancelled_orders(timestamp, timestamp, integer) is
  'Cancelled orders of [from, to), the dearest first.';
