-- What was refused says which rule it broke as data, and what became of it afterwards.
alter table stream.rejected
  add column key           bytea,
  add column kind          text not null default 'not_json'
                           check (kind in ('not_json', 'too_large', 'field', 'refused')),
  add column field         text,
  add column resent_at     timestamptz,
  add column resent_as     uuid,
  add column resent_edited boolean,
  add column resent_times  integer not null default 0;

-- Rows from before have their reason alone. It begins with the field, where one was to blame.
update stream.rejected as old set kind = 'field', field = known.field
from unnest(array['InvoiceNo', 'StockCode', 'Description', 'Quantity', 'InvoiceDate', 'UnitPrice', 'CustomerID',
                  'Country', 'LineNo', 'EventId']) as known(field)
where starts_with(old.reason, known.field || ': ');

create index rejected_by_time on stream.rejected (rejected_at);

comment on table stream.rejected is
  'Records of the log that are not in the shop, as they came, with the reason, and what became of them since.';
comment on column stream.rejected.key is 'The record''s key; null where it had none.';
comment on column stream.rejected.kind is
  'not_json: no JSON object at all. too_large: longer than an event may be. field: a field breaks its rule. refused: '
  'an event, but PostgreSQL did not take it.';
comment on column stream.rejected.field is 'The first field that breaks its rule; null where none is to blame.';
comment on column stream.rejected.resent_at is 'When a gateway last took it after all; null: not yet.';
comment on column stream.rejected.resent_as is 'The EventId under which it was sent then.';
comment on column stream.rejected.resent_edited is 'Whether it was repaired before.';
