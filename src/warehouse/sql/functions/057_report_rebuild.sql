-- The partition of a line is not kept in the shop, and sums do not need it: all goes to partition 0.
create or replace procedure report.rebuild()
language plpgsql as $$
declare
  v_zone constant text := shop.time_zone();
begin
  lock table report.sales_by_hour_part, report.product_sales_part, report.customer_sales_part in exclusive mode;
  delete from report.sales_by_hour_part;
  delete from report.product_sales_part;
  delete from report.customer_sales_part;

  insert into report.sales_by_hour_part
  select 0, date_trunc('hour', line.invoiced_at, v_zone), line.country, count(*), sum(line.quantity), sum(line.amount),
         count(*) filter (where left(line.invoice_no, 1) = 'C'),
         coalesce(sum(line.quantity) filter (where left(line.invoice_no, 1) = 'C'), 0),
         coalesce(sum(line.amount) filter (where left(line.invoice_no, 1) = 'C'), 0)
  from shop.transaction as line
  group by 2, 3;

  insert into report.product_sales_part
  select 0, line.stock_code, count(*), sum(line.quantity), sum(line.amount),
         count(*) filter (where left(line.invoice_no, 1) = 'C'),
         coalesce(sum(line.quantity) filter (where left(line.invoice_no, 1) = 'C'), 0),
         coalesce(sum(line.amount) filter (where left(line.invoice_no, 1) = 'C'), 0)
  from shop.transaction as line
  group by 2;

  insert into report.customer_sales_part
  select 0, coalesce(line.customer_id, ''), count(*), sum(line.quantity), sum(line.amount),
         count(*) filter (where left(line.invoice_no, 1) = 'C'),
         coalesce(sum(line.quantity) filter (where left(line.invoice_no, 1) = 'C'), 0),
         coalesce(sum(line.amount) filter (where left(line.invoice_no, 1) = 'C'), 0)
  from shop.transaction as line
  group by 2;
end
$$;
comment on procedure report.rebuild() is
  'Makes the running aggregates anew from the lines; needed after a change of shop.time_zone. Writers wait for it.';
