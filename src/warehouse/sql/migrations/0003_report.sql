-- Running aggregates. Each batch adds its difference in its own transaction, so they agree with the lines at any
-- moment.
-- Kept per partition, so that two processors do not wait for each other's rows; the views add the partitions up.
-- fillfactor leaves room for the updates of a row to stay on its page.
create schema report;

create table report.sales_by_hour_part (
  partition          integer not null,
  hour               timestamptz not null,
  country            text collate "C" not null,
  lines              bigint not null,
  quantity           bigint not null,
  amount             numeric not null,
  cancelled_lines    bigint not null,
  cancelled_quantity bigint not null,
  cancelled_amount   numeric not null,
  primary key (partition, hour, country)
) with (fillfactor = 60);
comment on column report.sales_by_hour_part.hour is 'The instant at which an hour of the shop''s clock began.';

create table report.product_sales_part (
  partition          integer not null,
  stock_code         text collate "C" not null,
  lines              bigint not null,
  quantity           bigint not null,
  amount             numeric not null,
  cancelled_lines    bigint not null,
  cancelled_quantity bigint not null,
  cancelled_amount   numeric not null,
  primary key (partition, stock_code)
) with (fillfactor = 60);

create table report.customer_sales_part (
  partition          integer not null,
  customer_id        text collate "C" not null,
  lines              bigint not null,
  quantity           bigint not null,
  amount             numeric not null,
  cancelled_lines    bigint not null,
  cancelled_quantity bigint not null,
  cancelled_amount   numeric not null,
  primary key (partition, customer_id)
) with (fillfactor = 60);
comment on column report.customer_sales_part.customer_id is 'An empty text stands for all guests.';
