create or replace procedure stream.count_batch(
  p_topic text, p_partition integer, p_from bigint, p_to bigint,
  p_inserted bigint, p_replaced bigint, p_repeated bigint, p_rejected bigint
)
language plpgsql as $$
declare
  c_batches_kept constant bigint := 1000;
  v_batch_no bigint;
begin
  update stream.checkpoint as mark set
    inserted = mark.inserted + p_inserted, replaced = mark.replaced + p_replaced,
    repeated = mark.repeated + p_repeated, rejected = mark.rejected + p_rejected,
    batch_no = mark.batch_no + 1, updated_at = now()
  where mark.topic = p_topic and mark.partition = p_partition
  returning mark.batch_no into v_batch_no;

  insert into stream.batch
    (topic, partition, batch_no, from_offset, to_offset, inserted, replaced, repeated, rejected)
  values
    (p_topic, p_partition, v_batch_no, p_from, p_to, p_inserted, p_replaced, p_repeated, p_rejected);
  delete from stream.batch as old
  where old.topic = p_topic and old.partition = p_partition and old.batch_no <= v_batch_no - c_batches_kept;
end
$$;
comment on procedure stream.count_batch(text, integer, bigint, bigint, bigint, bigint, bigint, bigint) is
  'Adds the batch to the partition''s counts and to the history, of which the last 1,000 are kept.';
