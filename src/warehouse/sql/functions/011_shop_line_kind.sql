create or replace function shop.line_kind(invoice_no text, quantity integer) returns text
language sql immutable parallel safe as $$
  select case
    when left(invoice_no, 1) = 'A' then 'adjustment'
    when quantity < 0 and left(invoice_no, 1) = 'C' then 'return'
    when quantity < 0 then 'write_off'
    else 'sale'
  end
$$;
comment on function shop.line_kind(text, integer) is 'adjustment, return, write_off or sale: the first that fits.';
