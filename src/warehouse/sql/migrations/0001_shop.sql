-- The shop in third normal form. Texts compare by bytes (collate "C"): codes have no language, and it is faster.
create schema shop;

create table shop.setting (
  name  text primary key,
  value text not null
);
comment on table shop.setting is 'What the stored data depends on: time_zone, an IANA name. Written by tillrace.';
insert into shop.setting (name, value) values ('time_zone', 'UTC');

create table shop.country (
  country text collate "C" primary key
);
comment on table shop.country is 'Countries as the events name them.';

create table shop.customer (
  customer_id text collate "C" primary key
);
comment on table shop.customer is
  'Customers by their number. Where one lives is said by each invoice: 8 customers of the real data have two '
  'countries.';

create table shop.product (
  stock_code  text collate "C" primary key,
  description text,
  kind        text not null check (kind in ('product', 'service'))
);
comment on table shop.product is
  'What is sold. Services are postage, bank charges, vouchers, manual entries and the like.';
comment on column shop.product.description is 'The first that an event gave; each line keeps its own.';

create table shop.invoice (
  invoice_no  text collate "C" not null,
  part        integer not null,
  kind        text not null generated always as (
                case left(invoice_no, 1) when 'C' then 'cancellation' when 'A' then 'adjustment' else 'sale' end
              ) stored,
  customer_id text collate "C" references shop.customer,
  country     text collate "C" not null references shop.country,
  invoiced_at timestamptz not null,
  primary key (invoice_no, part)
);
comment on table shop.invoice is
  'The heads of invoices. Nearly every invoice has one part. Where its lines contradict each other in date, customer '
  'or country (43 invoices of the real data carry two dates), each head is a part of its own, numbered from 1 as they '
  'came.';
comment on column shop.invoice.customer_id is 'Null: a guest.';
create index invoice_by_customer on shop.invoice (customer_id);
create index invoice_by_time on shop.invoice (invoiced_at);

create table shop.invoice_line (
  invoice_no  text collate "C" not null,
  event_id    uuid not null,
  part        integer not null,
  line_no     integer,
  stock_code  text collate "C" not null references shop.product,
  description text,
  quantity    integer not null check (quantity <> 0),
  unit_price  numeric not null,
  primary key (invoice_no, event_id),
  foreign key (invoice_no, part) references shop.invoice
);
comment on table shop.invoice_line is
  'One row an event. The key starts with the invoice, so that neighbours in time are neighbours in the index.';
