-- The processor commits with synchronous_commit off, so a mark that everybody sees may still be lost in a crash. What
-- this function tells is on disk once the transaction that called it has committed:
--
-- * A commit becomes visible only after its record has its place in the WAL. So whatever the marks' snapshot sees lies
--   there before this transaction's own commit record, and with synchronous_commit on the commit returns when the WAL
--   is flushed up to that record, as one piece from its start.
-- * A commit waits for nothing when its transaction has written nothing; a transaction id alone does not count. Hence
--   the message: a WAL record of a few bytes that touches no table, needs no privilege and no wal_level, and that a
--   logical decoder passes over unless it asks for it.
-- * The setting is made here and holds to the end of the transaction. As a SET clause of the function it would end with
--   the function, before the commit; as one of the session a pooler might hand it to somebody else.
-- * "on" means the synchronous standbys too, where there are any: a mark that is told survives a failover to them. (A
--   failover to another standby may take it back; the retention's safety margin is for that.) No timeout of the server
--   ends a commit's wait for a standby, and a cancel would turn it into a mere warning. So the caller has to give up by
--   himself, and the lock sees to it that those who gave up do not pile up on the server: it goes with the commit.
--
-- The marks are read without locks on rows: no batch waits for this, nor this for a batch.
create or replace function stream.flushed_marks(p_topic text, p_log_id uuid)
returns table (partition integer, next_offset bigint)
language plpgsql as $$
declare
  v_mark record;
begin
  if pg_is_in_recovery() then
    raise exception 'this server is a standby: what it has may not be on the primary''s disk'
      using errcode = 'read_only_sql_transaction', hint = 'Connect to the primary.';
  end if;
  perform pg_advisory_xact_lock(hashtext('tillrace.flushed_marks'));

  for v_mark in
    select mark.partition, mark.log_id, mark.next_offset from stream.checkpoint as mark
    where mark.topic = p_topic order by mark.partition
  loop
    if v_mark.log_id <> p_log_id then
      raise exception 'the mark of %/% belongs to log %, not to %', p_topic, v_mark.partition, v_mark.log_id, p_log_id
        using errcode = 'TR001', hint = 'Start with the data folder of that log, or rebuild the warehouse.';
    end if;
    partition := v_mark.partition;
    next_offset := v_mark.next_offset;
    return next;
  end loop;

  set local synchronous_commit = on;
  perform pg_logical_emit_message(true, 'tillrace.flushed_marks', ''::text);
end
$$;
comment on function stream.flushed_marks(text, uuid) is
  'The marks of a topic; they are on disk for good once this transaction''s commit has returned. Raises TR001 when one '
  'belongs to another log.';
