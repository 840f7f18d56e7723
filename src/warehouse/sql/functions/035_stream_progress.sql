create or replace function stream.progress()
returns table (topic text, partition integer, next_offset bigint, inserted bigint, replaced bigint, repeated bigint,
               rejected bigint, updated_at timestamptz)
language sql stable as $$
  select mark.topic, mark.partition, mark.next_offset, mark.inserted, mark.replaced, mark.repeated, mark.rejected,
         mark.updated_at
  from stream.checkpoint as mark
  order by mark.topic, mark.partition
$$;
comment on function stream.progress() is
  'How far the warehouse has come in each partition, and what became of the events.';
