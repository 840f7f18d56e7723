create or replace function report.customer_summary(
  p_segment text default 'all', p_count integer default null, p_loyal_orders integer default 10,
  p_new_days integer default 30
)
returns table (customer_id text, orders bigint, cancelled_orders bigint, lines bigint, quantity bigint,
               net_sales numeric, first_order timestamp, last_order timestamp)
language plpgsql stable as $$
declare
  v_zone constant text := shop.time_zone();
  v_new_since constant timestamptz :=
    (select max(head.invoiced_at) - make_interval(days => p_new_days) from shop.invoice as head);
begin
  if p_segment is null or p_segment not in ('all', 'loyal', 'new', 'guests') then
    raise invalid_parameter_value
      using message = format('''%s'' is no segment; all, loyal, new or guests', p_segment);
  end if;
  return query
  with heads as (
    select head.customer_id, count(distinct head.invoice_no) filter (where head.kind = 'sale') as orders,
           count(distinct head.invoice_no) filter (where head.kind = 'cancellation') as cancelled_orders,
           min(head.invoiced_at) as first_order, max(head.invoiced_at) as last_order
    from shop.invoice as head
    group by head.customer_id
  )
  select sales.customer_id, heads.orders, heads.cancelled_orders, sales.lines, sales.quantity, sales.amount,
         heads.first_order at time zone v_zone, heads.last_order at time zone v_zone
  from report.customer_sales as sales
  join heads on heads.customer_id is not distinct from sales.customer_id
  where case p_segment
    when 'all' then true
    when 'guests' then sales.customer_id is null
    when 'loyal' then sales.customer_id is not null and heads.orders >= p_loyal_orders
    when 'new' then sales.customer_id is not null and heads.first_order > v_new_since
  end
  order by sales.amount desc, sales.customer_id
  limit p_count;
end
$$;
comment on function report.customer_summary(text, integer, integer, integer) is
  'Customers by net sales. loyal: at least p_loyal_orders orders; new: the first invoice lies within p_new_days of the '
  'newest of all; guests: one row for all purchases without a customer number.';
