create or replace function shop.invoice(p_invoice_no text)
returns table (line_no integer, stock_code text, description text, quantity integer, unit_price numeric,
               amount numeric, kind text, invoiced_at timestamp, customer_id text, country text, event_id uuid)
language sql stable as $$
  select line.line_no, line.stock_code, line.description, line.quantity, line.unit_price, line.amount, line.kind,
         line.invoiced_at at time zone shop.time_zone(), line.customer_id, line.country, line.event_id
  from shop.transaction as line
  where line.invoice_no = p_invoice_no
  order by line.line_no nulls last, line.event_id
$$;
comment on function shop.invoice(text) is 'Every transaction of an invoice; times on the shop''s clock.';
