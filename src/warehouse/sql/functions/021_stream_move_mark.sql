create or replace procedure stream.move_mark(
  p_topic text, p_partition integer, p_log_id uuid, p_from bigint, p_to bigint
)
language plpgsql as $$
declare
  v_mark stream.checkpoint;
begin
  insert into stream.checkpoint (topic, partition, log_id, next_offset)
  values (p_topic, p_partition, p_log_id, 0)
  on conflict do nothing;

  select topic, partition, log_id, next_offset
  into strict v_mark.topic, v_mark.partition, v_mark.log_id, v_mark.next_offset
  from stream.checkpoint
  where topic = p_topic and partition = p_partition for update;

  if v_mark.log_id <> p_log_id then
    raise exception 'the mark of %/% belongs to log %, not to %', p_topic, p_partition, v_mark.log_id, p_log_id
      using errcode = 'TR001', hint = 'Start with the data folder of that log, or rebuild the warehouse.';
  end if;
  if v_mark.next_offset <> p_from then
    raise exception 'the mark of %/% is %, not %', p_topic, p_partition, v_mark.next_offset, p_from
      using errcode = 'TR002', hint = 'Another writer was first: read the mark again.';
  end if;

  update stream.checkpoint set next_offset = p_to where topic = p_topic and partition = p_partition;
end
$$;
comment on procedure stream.move_mark(text, integer, uuid, bigint, bigint) is
  'Moves a partition''s mark from p_from to p_to, or raises TR001 (another log) or TR002 (another mark).';
