-- Two passes over the batch. Hour, country and customer belong to the head, so their sums come from its few rows.
create or replace function stream.sum_up(
  p_outdated stream.line[], out heads stream.head_change[], out products stream.product_change[]
)
language plpgsql as $$
begin
  heads := array(
    select row(new.invoice_no, new.customer_id, new.country, new.invoiced_at, min(new."offset"), true,
               count(*), sum(new.quantity), sum(new.quantity * new.unit_price))::stream.head_change
    from pg_temp.incoming as new
    group by new.invoice_no, new.customer_id, new.country, new.invoiced_at
  );
  products := array(
    select row(new.stock_code, count(*), sum(new.quantity), sum(new.quantity * new.unit_price),
               count(*) filter (where starts_with(new.invoice_no, 'C')),
               coalesce(sum(new.quantity) filter (where starts_with(new.invoice_no, 'C')), 0),
               coalesce(sum(new.quantity * new.unit_price) filter (where starts_with(new.invoice_no, 'C')), 0)
           )::stream.product_change
    from pg_temp.incoming as new
    group by new.stock_code
  );
  if cardinality(p_outdated) = 0 then
    return;
  end if;

  heads := heads || array(
    select row(old.invoice_no, old.customer_id, old.country, old.invoiced_at, min(old."offset"), false,
               -count(*), -sum(old.quantity), -sum(old.quantity * old.unit_price))::stream.head_change
    from unnest(p_outdated) as old
    group by old.invoice_no, old.customer_id, old.country, old.invoiced_at
  );
  products := products || array(
    select row(old.stock_code, -count(*), -sum(old.quantity), -sum(old.quantity * old.unit_price),
               -count(*) filter (where starts_with(old.invoice_no, 'C')),
               -coalesce(sum(old.quantity) filter (where starts_with(old.invoice_no, 'C')), 0),
               -coalesce(sum(old.quantity * old.unit_price) filter (where starts_with(old.invoice_no, 'C')), 0)
           )::stream.product_change
    from unnest(p_outdated) as old
    group by old.stock_code
  );
end
$$;
comment on function stream.sum_up(stream.line[]) is
  'What the batch adds to the aggregates, and takes from them for lines it replaces, by head and by product.';
