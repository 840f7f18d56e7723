-- Apart from stream.prepare_session, since a temporary table costs each transaction of its session a third of a
-- millisecond, and most sessions never see a record that is no event.
create or replace procedure stream.prepare_rejected()
language plpgsql as $$
begin
  set local client_min_messages = warning;
  create temporary table if not exists incoming_rejected (like stream.rejected including defaults)
  on commit delete rows;
end
$$;
comment on procedure stream.prepare_rejected() is
  'Makes the session''s staging table for records that do not go into the shop: copy them into incoming_rejected, '
  'then call stream.apply_batch, in one transaction.';

create or replace procedure stream.take_rejected()
language plpgsql as $$
begin
  insert into stream.rejected
    (topic, partition, "offset", event_id, received_at, key, value, kind, field, reason)
  select new.topic, new.partition, new."offset", new.event_id, new.received_at, new.key, new.value, new.kind,
         new.field, new.reason
  from pg_temp.incoming_rejected as new
  order by new."offset";
end
$$;
comment on procedure stream.take_rejected() is 'Moves the staged records into stream.rejected.';
