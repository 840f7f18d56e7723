create or replace function shop.lines_between(p_from timestamptz, p_to timestamptz) returns setof shop.transaction
language sql stable as $$
  select line.invoice_no, line.event_id, line.line_no, line.stock_code, line.description, line.quantity,
         line.invoiced_at, line.unit_price, line.customer_id, line.country, line.kind, line.amount
  from shop.transaction as line
  where (p_from is null or line.invoiced_at >= p_from) and (p_to is null or line.invoiced_at < p_to)
$$;
comment on function shop.lines_between(timestamptz, timestamptz) is 'The lines of [from, to); null leaves an end open.';
