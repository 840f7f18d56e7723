create or replace view shop.transaction as
select
  line.invoice_no,
  line.event_id,
  line.line_no,
  line.stock_code,
  line.description,
  line.quantity,
  invoice.invoiced_at,
  line.unit_price,
  invoice.customer_id,
  invoice.country,
  shop.line_kind(line.invoice_no, line.quantity) as kind,
  line.quantity * line.unit_price as amount
from shop.invoice_line as line
join shop.invoice as invoice using (invoice_no, part);
comment on view shop.transaction is 'The events as they came, one row a line, with their kind and amount.';
