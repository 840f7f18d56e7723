-- The aggregates over all partitions. What has been taken back to nothing is left out.
create or replace view report.sales_by_hour as
select hour, country, sum(lines)::bigint as lines, sum(quantity)::bigint as quantity, sum(amount) as amount,
       sum(cancelled_lines)::bigint as cancelled_lines, sum(cancelled_quantity)::bigint as cancelled_quantity,
       sum(cancelled_amount) as cancelled_amount
from report.sales_by_hour_part
group by hour, country
having sum(lines) > 0;

create or replace view report.product_sales as
select total.stock_code, product.description, product.kind, sum(total.lines)::bigint as lines,
       sum(total.quantity)::bigint as quantity, sum(total.amount) as amount,
       sum(total.cancelled_lines)::bigint as cancelled_lines,
       sum(total.cancelled_quantity)::bigint as cancelled_quantity,
       sum(total.cancelled_amount) as cancelled_amount
from report.product_sales_part as total
join shop.product as product using (stock_code)
group by total.stock_code, product.description, product.kind
having sum(total.lines) > 0;

create or replace view report.customer_sales as
select nullif(customer_id, '') as customer_id, sum(lines)::bigint as lines, sum(quantity)::bigint as quantity,
       sum(amount) as amount, sum(cancelled_lines)::bigint as cancelled_lines,
       sum(cancelled_quantity)::bigint as cancelled_quantity, sum(cancelled_amount) as cancelled_amount
from report.customer_sales_part
group by nullif(customer_id, '')
having sum(lines) > 0;
comment on view report.customer_sales is 'The row without customer_id adds up all guests.';
