create or replace function report.total_sales(p_from timestamp default null, p_to timestamp default null)
returns table (net_sales numeric, gross_sales numeric, cancelled_amount numeric, lines bigint, quantity bigint,
               cancelled_lines bigint, orders bigint, cancelled_orders bigint, customers bigint)
language sql stable as $$
  with period as (
    select p_from at time zone shop.time_zone() as first, p_to at time zone shop.time_zone() as last
  ), sales as (
    select coalesce(sum(part.amount), 0) as amount, coalesce(sum(part.cancelled_amount), 0) as cancelled_amount,
           coalesce(sum(part.lines), 0)::bigint as lines, coalesce(sum(part.quantity), 0)::bigint as quantity,
           coalesce(sum(part.cancelled_lines), 0)::bigint as cancelled_lines
    from period, report.sales_between(period.first, period.last) as part
  ), heads as (
    select count(distinct head.invoice_no) filter (where head.kind = 'sale') as orders,
           count(distinct head.invoice_no) filter (where head.kind = 'cancellation') as cancelled_orders,
           count(distinct head.customer_id) as customers
    from period, shop.invoice as head
    where (period.first is null or head.invoiced_at >= period.first)
      and (period.last is null or head.invoiced_at < period.last)
  )
  select sales.amount, sales.amount - sales.cancelled_amount, sales.cancelled_amount, sales.lines, sales.quantity,
         sales.cancelled_lines, heads.orders, heads.cancelled_orders, heads.customers
  from sales, heads
$$;
comment on function report.total_sales(timestamp, timestamp) is
  'Sales of [from, to) on the shop''s clock; null leaves an end open. Gross is without cancellations, net with them.';
