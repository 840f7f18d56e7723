create or replace function shop.time_zone() returns text
language sql stable as $$
  select value from shop.setting where name = 'time_zone'
$$;
comment on function shop.time_zone() is 'The shop''s time zone: dates of events and reports are read in it.';
