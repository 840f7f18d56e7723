create or replace function report.sales_over_time(
  p_grain text default 'month', p_from timestamp default null, p_to timestamp default null
)
returns table (period timestamp, net_sales numeric, gross_sales numeric, cancelled_amount numeric, lines bigint,
               quantity bigint, orders bigint)
language plpgsql stable as $$
declare
  v_zone constant text := shop.time_zone();
  v_from constant timestamptz := p_from at time zone v_zone;
  v_to constant timestamptz := p_to at time zone v_zone;
begin
  if p_grain is null or p_grain not in ('hour', 'day', 'week', 'month', 'quarter', 'year') then
    raise invalid_parameter_value
      using message = format('''%s'' is no grain; hour, day, week, month, quarter or year', p_grain);
  end if;
  return query
  with sales as (
    select date_trunc(p_grain, part.hour at time zone v_zone) as start, sum(part.amount) as amount,
           sum(part.cancelled_amount) as cancelled, sum(part.lines)::bigint as lines,
           sum(part.quantity)::bigint as quantity
    from report.sales_between(v_from, v_to) as part
    group by 1
  ), heads as (
    select date_trunc(p_grain, head.invoiced_at at time zone v_zone) as start,
           count(distinct head.invoice_no) filter (where head.kind = 'sale') as orders
    from shop.invoice as head
    where (v_from is null or head.invoiced_at >= v_from) and (v_to is null or head.invoiced_at < v_to)
    group by 1
  )
  select sales.start, sales.amount, sales.amount - sales.cancelled, sales.cancelled, sales.lines, sales.quantity,
         coalesce(heads.orders, 0)
  from sales left join heads using (start)
  order by sales.start;
end
$$;
comment on function report.sales_over_time(text, timestamp, timestamp) is
  'Sales by hour, day, week (from Monday), month, quarter or year of the shop''s clock; periods without sales are left '
  'out.';
