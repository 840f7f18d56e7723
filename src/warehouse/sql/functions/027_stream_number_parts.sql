create or replace function stream.number_parts(p_known text[], p_heads stream.head_change[]) returns stream.head[]
language plpgsql set enable_seqscan = off as $$
begin
  if cardinality(p_known) = 0 then
    return array(
      select row(change.invoice_no,
                 row_number() over (partition by change.invoice_no order by change.first_offset),
                 change.customer_id, change.country, change.invoiced_at, false)::stream.head
      from unnest(p_heads) as change
      where change.is_new
    );
  end if;
  return array(
    with known as materialized (
      select head.invoice_no, head.part, head.customer_id, head.country, head.invoiced_at
      from shop.invoice as head where head.invoice_no = any (p_known)
    ), highest as (
      select known.invoice_no, max(known.part) as part from known group by known.invoice_no
    )
    select row(change.invoice_no,
               coalesce(same.part, coalesce(highest.part, 0)
                        + row_number() over (partition by change.invoice_no
                                             order by same.part is not null, change.first_offset)),
               change.customer_id, change.country, change.invoiced_at, same.part is not null)::stream.head
    from unnest(p_heads) as change
    left join known as same
      on same.invoice_no = change.invoice_no and same.invoiced_at = change.invoiced_at
      and same.country = change.country and same.customer_id is not distinct from change.customer_id
    left join highest on highest.invoice_no = change.invoice_no
    where change.is_new
  );
end
$$;
comment on function stream.number_parts(text[], stream.head_change[]) is
  'The batch''s heads with the part that the shop knows them by, or the next free ones of their invoice.';
