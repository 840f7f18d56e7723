-- A temporary table costs nothing in WAL and is private, so that two processors never meet in it.
create or replace procedure stream.prepare_session()
language plpgsql as $$
begin
  set local client_min_messages = warning;
  create temporary table if not exists incoming of stream.line (
    "offset"    with options not null,
    invoice_no  with options not null,
    event_id    with options not null,
    stock_code  with options not null,
    quantity    with options not null,
    invoiced_at with options not null,
    unit_price  with options not null,
    country     with options not null
  ) on commit delete rows;
end
$$;
comment on procedure stream.prepare_session() is
  'Makes the session''s staging table: copy a batch into incoming, then call stream.apply_batch, in one transaction.';
