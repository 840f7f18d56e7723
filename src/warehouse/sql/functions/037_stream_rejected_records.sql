create or replace function stream.rejected_records(
  p_topic text default null, p_partition integer default null, p_offset bigint default null,
  p_kind text default null, p_field text default null, p_since timestamptz default null,
  p_not_resent boolean default false, p_count bigint default null
)
returns setof stream.rejected
language sql stable as $$
  select record.*
  from stream.rejected as record
  where (p_topic is null or record.topic = p_topic)
    and (p_partition is null or record.partition = p_partition)
    and (p_offset is null or record."offset" = p_offset)
    and (p_kind is null or record.kind = p_kind)
    and (p_field is null or record.field = p_field)
    and (p_since is null or record.rejected_at >= p_since)
    and (not p_not_resent or record.resent_at is null)
  order by record.rejected_at desc, record.topic, record.partition, record."offset" desc
  limit p_count
$$;
comment on function
  stream.rejected_records(text, integer, bigint, text, text, timestamptz, boolean, bigint) is
  'Records that were rejected, the newest first; null leaves a condition out.';
