create or replace procedure stream.add_lines(
  p_heads stream.head[], p_products stream.product_change[], p_expected bigint
)
language plpgsql set enable_seqscan = off set enable_mergejoin = off as $$
declare
  v_inserted bigint;
  v_lost text;
begin
  insert into shop.invoice_line
    (invoice_no, event_id, part, line_no, stock_code, description, quantity, unit_price)
  select new.invoice_no, new.event_id, head.part, new.line_no, new.stock_code, new.description, new.quantity,
         new.unit_price
  from pg_temp.incoming as new
  join unnest(p_heads) as head
    on head.invoice_no = new.invoice_no and head.invoiced_at = new.invoiced_at
    and head.country = new.country and head.customer_id is not distinct from new.customer_id;
  get diagnostics v_inserted = row_count;

  select min(change.stock_code) into v_lost from unnest(p_products) as change
  where not exists (select from shop.product as known where known.stock_code = change.stock_code);
  if v_inserted <> p_expected or v_lost is not null then
    raise foreign_key_violation
      using message = format('%s of %s lines found their invoice; without product: %s', v_inserted, p_expected,
                             coalesce(v_lost, 'none'));
  end if;
end
$$;
comment on procedure stream.add_lines(stream.head[], stream.product_change[], bigint) is
  'Inserts the lines and checks that each has its invoice and its product.';
