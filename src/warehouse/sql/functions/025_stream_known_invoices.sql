-- The lock keeps another writer from dropping a head that has just become empty: see stream.drop_empty_heads.
create or replace function stream.known_invoices(p_heads stream.head_change[]) returns text[]
language plpgsql set enable_seqscan = off as $$
declare
  v_known constant text[] := array(
    select distinct change.invoice_no from unnest(p_heads) as change
    where exists (select from shop.invoice as head where head.invoice_no = change.invoice_no)
  );
begin
  if cardinality(v_known) > 0 then
    perform from shop.invoice as head
    where head.invoice_no = any (v_known)
    order by head.invoice_no, head.part
    for key share;
  end if;
  return v_known;
end
$$;
comment on function stream.known_invoices(stream.head_change[]) is
  'The invoices of the batch that the shop has already; held until commit.';
