create or replace function shop.customer_returns(p_customer_id text)
returns table (invoice_no text, invoiced_at timestamp, stock_code text, description text, quantity integer,
               unit_price numeric, amount numeric)
language sql stable as $$
  select line.invoice_no, line.invoiced_at at time zone shop.time_zone(), line.stock_code, line.description,
         line.quantity, line.unit_price, line.amount
  from shop.transaction as line
  where line.customer_id = p_customer_id and line.kind = 'return'
  order by line.invoiced_at, line.invoice_no, line.line_no
$$;
comment on function shop.customer_returns(text) is 'The items that a customer brought back.';
