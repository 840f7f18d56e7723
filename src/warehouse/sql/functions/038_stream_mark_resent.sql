create or replace function stream.mark_resent(
  p_topic text, p_partition integer, p_offset bigint, p_event_id uuid, p_edited boolean
)
returns boolean
language plpgsql as $$
begin
  update stream.rejected as record set
    resent_at = clock_timestamp(), resent_as = p_event_id, resent_edited = p_edited,
    resent_times = record.resent_times + 1
  where record.topic = p_topic and record.partition = p_partition and record."offset" = p_offset;
  return found;
end
$$;
comment on function stream.mark_resent(text, integer, bigint, uuid, boolean) is
  'Notes that a gateway has taken the record after all, under p_event_id. False where there is no such record.';
