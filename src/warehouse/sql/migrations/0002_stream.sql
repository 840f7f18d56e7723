-- What ties the warehouse to the log.
create schema stream;

create table stream.checkpoint (
  topic       text collate "C" not null,
  partition   integer not null,
  log_id      uuid not null,
  next_offset bigint not null check (next_offset >= 0),
  inserted    bigint not null default 0,
  replaced    bigint not null default 0,
  repeated    bigint not null default 0,
  rejected    bigint not null default 0,
  batch_no    bigint not null default 0,
  updated_at  timestamptz not null default now(),
  primary key (topic, partition)
) with (fillfactor = 50);
comment on table stream.checkpoint is
  'The mark: the next offset that the warehouse wants of each partition, moved in the transaction that writes the '
  'rows.';
comment on column stream.checkpoint.log_id is 'The identity of the log that was read; another log stops the sink.';
comment on column stream.checkpoint.replaced is 'Lines whose later event said something else.';
comment on column stream.checkpoint.repeated is 'Events that said again what was known.';

create table stream.rejected (
  topic       text collate "C" not null,
  partition   integer not null,
  "offset"    bigint not null,
  event_id    uuid not null,
  received_at timestamptz not null,
  value       bytea not null,
  reason      text not null,
  rejected_at timestamptz not null default now(),
  primary key (topic, partition, "offset")
);
comment on table stream.rejected is 'Records of the log that are no valid events, as they came, with the reason.';

create table stream.batch (
  topic       text collate "C" not null,
  partition   integer not null,
  batch_no    bigint not null,
  from_offset bigint not null,
  to_offset   bigint not null,
  inserted    bigint not null,
  replaced    bigint not null,
  repeated    bigint not null,
  rejected    bigint not null,
  applied_at  timestamptz not null default now(),
  primary key (topic, partition, batch_no)
);
comment on table stream.batch is 'The last 1,000 batches of each partition.';

-- The shapes in which a batch goes from one procedure to the next. Arrays of them, not temporary tables: emptying a
-- temporary table costs a third of a millisecond and more, which a batch of one event would pay for each.
create type stream.line as (
  "offset"    bigint,
  invoice_no  text collate "C",
  event_id    uuid,
  line_no     integer,
  stock_code  text collate "C",
  description text,
  quantity    integer,
  invoiced_at timestamptz,
  unit_price  numeric,
  customer_id text collate "C",
  country     text collate "C"
);

create type stream.head_change as (
  invoice_no   text collate "C",
  customer_id  text collate "C",
  country      text collate "C",
  invoiced_at  timestamptz,
  first_offset bigint,
  is_new       boolean,
  lines        bigint,
  quantity     bigint,
  amount       numeric
);
comment on type stream.head_change is 'What a batch adds to the sums of a head (is_new), or takes from them.';

create type stream.product_change as (
  stock_code         text collate "C",
  lines              bigint,
  quantity           bigint,
  amount             numeric,
  cancelled_lines    bigint,
  cancelled_quantity bigint,
  cancelled_amount   numeric
);
comment on type stream.product_change is 'What a batch adds to the sums of a product, or takes from them.';

create type stream.head as (
  invoice_no  text collate "C",
  part        integer,
  customer_id text collate "C",
  country     text collate "C",
  invoiced_at timestamptz,
  is_known    boolean
);
comment on type stream.head is 'A head of the batch with its part; is_known: the shop had it before.';
