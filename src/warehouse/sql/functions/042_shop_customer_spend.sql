create or replace function shop.customer_spend(p_customer_id text)
returns table (customer_id text, total_spend numeric, orders bigint, cancelled_orders bigint, lines bigint,
               quantity bigint, returned_amount numeric, first_order timestamp, last_order timestamp)
language sql stable as $$
  select p_customer_id, sum(line.amount),
         count(distinct line.invoice_no) filter (where left(line.invoice_no, 1) <> 'C'),
         count(distinct line.invoice_no) filter (where left(line.invoice_no, 1) = 'C'),
         count(*), sum(line.quantity),
         coalesce(sum(line.amount) filter (where line.kind = 'return'), 0),
         min(line.invoiced_at) at time zone shop.time_zone(), max(line.invoiced_at) at time zone shop.time_zone()
  from shop.transaction as line
  where line.customer_id = p_customer_id
  having count(*) > 0
$$;
comment on function shop.customer_spend(text) is
  'What a customer has spent to date: the sum of all amounts, returns taken off. No row: no such customer.';
