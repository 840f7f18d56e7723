-- Each version counts against the one before it: the shop's against the first of the batch. stream.take_out_known will
-- meet the last one instead; `known` makes up for the difference.
create or replace function stream.fold_versions(out repeated bigint, out replaced bigint)
language plpgsql as $$
begin
  with placed as (
    select new."offset", lag(new."offset") over line as earlier, lead(new."offset") over line as later
    from pg_temp.incoming as new
    window line as (partition by new.invoice_no, new.event_id order by new."offset")
  ), version as materialized (
    select placed."offset", placed.earlier, placed.later from placed
    where placed.earlier is not null or placed.later is not null
  ), known as (
    select count(*) filter (where version.earlier is null) - count(*) filter (where version.later is null) as repeated
    from version
    join pg_temp.incoming as new on new."offset" = version."offset"
    join shop.invoice_line as line on line.invoice_no = new.invoice_no and line.event_id = new.event_id
    join shop.invoice as head on head.invoice_no = line.invoice_no and head.part = line.part
    where (version.earlier is null or version.later is null)
      and (new.line_no, new.stock_code, new.description, new.quantity, new.unit_price,
           new.invoiced_at, new.customer_id, new.country)
        is not distinct from
          (line.line_no, line.stock_code, line.description, line.quantity, line.unit_price,
           head.invoiced_at, head.customer_id, head.country)
  ), gone as (
    delete from pg_temp.incoming as early using version, pg_temp.incoming as late
    where early."offset" = version."offset" and late."offset" = version.later
    returning (early.line_no, early.stock_code, early.description, early.quantity, early.unit_price,
               early.invoiced_at, early.customer_id, early.country)
      is not distinct from
              (late.line_no, late.stock_code, late.description, late.quantity, late.unit_price,
               late.invoiced_at, late.customer_id, late.country) as is_same
  ), counted as (
    select count(*) filter (where gone.is_same) as repeated, count(*) filter (where not gone.is_same) as replaced
    from gone
  )
  select counted.repeated + known.repeated, counted.replaced - known.repeated
  into repeated, replaced
  from counted, known;
end
$$;
comment on function stream.fold_versions() is
  'Of two versions of a line in one batch keeps the later in the log. The counts are those of the versions that went: '
  'with the count of the one that stays they add up to what single batches would give. Either may be below zero.';
