-- Plans are made once, when tables may be small or empty. So the procedures that probe the shop's tables run with
-- enable_seqscan off: an index serves at any size. Those that only read the batch do not: the planner then takes the
-- quicker of hashing and sorting.
create or replace function stream.apply_batch(
  p_topic text, p_partition integer, p_log_id uuid, p_from bigint, p_to bigint,
  p_has_versions boolean default true, p_rejected bigint default 0,
  out inserted bigint, out replaced bigint, out repeated bigint
)
language plpgsql as $$
declare
  v_folded_repeated bigint := 0;
  v_folded_replaced bigint := 0;
  v_change record;
  v_known text[];
  v_outdated stream.line[] := '{}';
  v_lines bigint;
begin
  lock table shop.invoice, shop.invoice_line in row exclusive mode;  -- see shop.hold_references
  call stream.move_mark(p_topic, p_partition, p_log_id, p_from, p_to);

  if p_has_versions then
    select folded.repeated, folded.replaced into v_folded_repeated, v_folded_replaced
    from stream.fold_versions() as folded;
  end if;

  repeated := 0;
  select sums.heads, sums.products into v_change from stream.sum_up(v_outdated) as sums;
  v_known := stream.known_invoices(v_change.heads);
  if cardinality(v_known) > 0 then
    select known.repeated, known.outdated into repeated, v_outdated from stream.take_out_known(v_known) as known;
  end if;
  replaced := cardinality(v_outdated);
  if repeated + replaced > 0 then  -- the batch is another one now
    select sums.heads, sums.products into v_change from stream.sum_up(v_outdated) as sums;
  end if;

  select coalesce(sum(change.lines), 0) into v_lines from unnest(v_change.heads) as change where change.is_new;
  call stream.add_lines(stream.add_heads(v_known, v_change.heads, v_change.products), v_change.products, v_lines);
  call stream.add_to_reports(p_partition, v_change.heads, v_change.products);
  if replaced > 0 then
    call stream.drop_empty_heads(v_outdated);
  end if;

  if p_rejected > 0 then
    call stream.take_rejected();
  end if;

  inserted := v_lines - replaced;
  replaced := replaced + v_folded_replaced;
  repeated := repeated + v_folded_repeated;
  call stream.count_batch(p_topic, p_partition, p_from, p_to, inserted, replaced, repeated, p_rejected);
end
$$;
comment on function stream.apply_batch(text, integer, uuid, bigint, bigint, boolean, bigint) is
  'Writes the staged batch, the running aggregates and the partition''s mark, all or nothing. p_has_versions: false '
  'when the caller knows that no line comes twice in the batch. p_rejected: how many rows lie in '
  'pg_temp.incoming_rejected (stream.prepare_rejected).';
