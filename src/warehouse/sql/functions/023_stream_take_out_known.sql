create or replace function stream.take_out_known(
  p_known text[], out repeated bigint, out outdated stream.line[]
)
language plpgsql set enable_seqscan = off set enable_mergejoin = off as $$
declare
  v_matches bigint;
begin
  repeated := 0;
  outdated := '{}';
  -- The common case: an invoice goes on where the batch before it ended, and none of its lines comes again. (Counted,
  -- since for `exists` the planner would try line by line.)
  select count(*) into v_matches
  from pg_temp.incoming as new
  join (
    select line.invoice_no, line.event_id from shop.invoice_line as line where line.invoice_no = any (p_known)
  ) as known using (invoice_no, event_id);
  if v_matches = 0 then
    return;
  end if;

  delete from pg_temp.incoming as new
  using shop.invoice_line as line, shop.invoice as head
  where line.invoice_no = any (p_known)
    and line.invoice_no = new.invoice_no and line.event_id = new.event_id
    and head.invoice_no = line.invoice_no and head.part = line.part
    and (new.line_no, new.stock_code, new.description, new.quantity, new.unit_price,
         new.invoiced_at, new.customer_id, new.country)
      is not distinct from
        (line.line_no, line.stock_code, line.description, line.quantity, line.unit_price,
         head.invoiced_at, head.customer_id, head.country);
  get diagnostics repeated = row_count;

  with gone as (
    delete from shop.invoice_line as line using pg_temp.incoming as new
    where line.invoice_no = any (p_known)
      and line.invoice_no = new.invoice_no and line.event_id = new.event_id
    returning new."offset", line.invoice_no, line.event_id, line.part, line.line_no, line.stock_code,
              line.description, line.quantity, line.unit_price
  )
  select array_agg(row(gone."offset", gone.invoice_no, gone.event_id, gone.line_no, gone.stock_code,
                       gone.description, gone.quantity, head.invoiced_at, gone.unit_price,
                       head.customer_id, head.country)::stream.line)
  into outdated
  from gone join shop.invoice as head using (invoice_no, part);
  outdated := coalesce(outdated, '{}');
end
$$;
comment on function stream.take_out_known(text[]) is
  'For the invoices p_known: repeats of their lines leave the batch; lines of which the batch says something new leave '
  'the shop, and are returned. Their new version is then inserted like any other line.';
