create or replace procedure stream.add_to_reports(
  p_partition integer, p_heads stream.head_change[], p_products stream.product_change[]
)
language plpgsql set enable_seqscan = off as $$
declare
  v_time_zone constant text := shop.time_zone();
begin
  insert into report.sales_by_hour_part as total
  select p_partition, date_trunc('hour', head.invoiced_at, v_time_zone), head.country,
         sum(head.lines), sum(head.quantity), sum(head.amount),
         coalesce(sum(head.lines) filter (where starts_with(head.invoice_no, 'C')), 0),
         coalesce(sum(head.quantity) filter (where starts_with(head.invoice_no, 'C')), 0),
         coalesce(sum(head.amount) filter (where starts_with(head.invoice_no, 'C')), 0)
  from unnest(p_heads) as head
  group by 2, 3
  order by 2, 3
  on conflict (partition, hour, country) do update set
    lines = total.lines + excluded.lines,
    quantity = total.quantity + excluded.quantity,
    amount = total.amount + excluded.amount,
    cancelled_lines = total.cancelled_lines + excluded.cancelled_lines,
    cancelled_quantity = total.cancelled_quantity + excluded.cancelled_quantity,
    cancelled_amount = total.cancelled_amount + excluded.cancelled_amount;

  insert into report.customer_sales_part as total
  select p_partition, coalesce(head.customer_id, ''),
         sum(head.lines), sum(head.quantity), sum(head.amount),
         coalesce(sum(head.lines) filter (where starts_with(head.invoice_no, 'C')), 0),
         coalesce(sum(head.quantity) filter (where starts_with(head.invoice_no, 'C')), 0),
         coalesce(sum(head.amount) filter (where starts_with(head.invoice_no, 'C')), 0)
  from unnest(p_heads) as head
  group by 2
  order by 2
  on conflict (partition, customer_id) do update set
    lines = total.lines + excluded.lines,
    quantity = total.quantity + excluded.quantity,
    amount = total.amount + excluded.amount,
    cancelled_lines = total.cancelled_lines + excluded.cancelled_lines,
    cancelled_quantity = total.cancelled_quantity + excluded.cancelled_quantity,
    cancelled_amount = total.cancelled_amount + excluded.cancelled_amount;

  insert into report.product_sales_part as total
  select p_partition, change.stock_code,
         sum(change.lines), sum(change.quantity), sum(change.amount),
         sum(change.cancelled_lines), sum(change.cancelled_quantity), sum(change.cancelled_amount)
  from unnest(p_products) as change
  group by 2
  order by 2
  on conflict (partition, stock_code) do update set
    lines = total.lines + excluded.lines,
    quantity = total.quantity + excluded.quantity,
    amount = total.amount + excluded.amount,
    cancelled_lines = total.cancelled_lines + excluded.cancelled_lines,
    cancelled_quantity = total.cancelled_quantity + excluded.cancelled_quantity,
    cancelled_amount = total.cancelled_amount + excluded.cancelled_amount;
end
$$;
comment on procedure stream.add_to_reports(integer, stream.head_change[], stream.product_change[]) is
  'Adds the batch''s sums to the running aggregates, in key order, so that writers never deadlock.';
