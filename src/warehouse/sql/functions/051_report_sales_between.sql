-- Whole hours come from the running aggregates; the broken hours at both ends, if there are any, from the lines.
create or replace function report.sales_between(p_from timestamptz, p_to timestamptz)
returns table (hour timestamptz, country text, lines bigint, quantity bigint, amount numeric,
               cancelled_lines bigint, cancelled_quantity bigint, cancelled_amount numeric)
language plpgsql stable as $$
declare
  v_zone constant text := shop.time_zone();
  v_from constant timestamptz := coalesce(p_from, '-infinity');
  v_to constant timestamptz := greatest(coalesce(p_to, 'infinity'), v_from);
  v_first_whole timestamptz := date_trunc('hour', v_from, v_zone);
  v_end_of_whole timestamptz := date_trunc('hour', v_to, v_zone);
begin
  if v_first_whole < v_from then
    v_first_whole := v_first_whole + interval '1 hour';
  end if;
  v_first_whole := least(v_first_whole, v_to);
  v_end_of_whole := greatest(v_end_of_whole, v_first_whole);

  return query
  select whole.hour, whole.country, whole.lines, whole.quantity, whole.amount, whole.cancelled_lines,
         whole.cancelled_quantity, whole.cancelled_amount
  from report.sales_by_hour as whole
  where whole.hour >= v_first_whole and whole.hour < v_end_of_whole
  union all
  select date_trunc('hour', line.invoiced_at, v_zone), line.country, count(*), sum(line.quantity), sum(line.amount),
         count(*) filter (where left(line.invoice_no, 1) = 'C'),
         coalesce(sum(line.quantity) filter (where left(line.invoice_no, 1) = 'C'), 0),
         coalesce(sum(line.amount) filter (where left(line.invoice_no, 1) = 'C'), 0)
  from shop.transaction as line
  where (line.invoiced_at >= v_from and line.invoiced_at < v_first_whole)
     or (line.invoiced_at >= v_end_of_whole and line.invoiced_at < v_to)
  group by 1, 2;
end
$$;
comment on function report.sales_between(timestamptz, timestamptz) is 'Sales of [from, to) by hour and country.';
