create or replace function report.top_products(
  p_count integer default 10, p_from timestamp default null, p_to timestamp default null,
  p_services boolean default false
)
returns table (rank bigint, stock_code text, description text, quantity bigint, amount numeric, lines bigint)
language plpgsql stable as $$
declare
  v_zone constant text := shop.time_zone();
begin
  return query
  with sales as (
    select known.stock_code, known.quantity, known.amount, known.lines
    from report.product_sales as known
    where p_from is null and p_to is null
    union all
    select line.stock_code, sum(line.quantity)::bigint, sum(line.amount), count(*)
    from shop.lines_between(p_from at time zone v_zone, p_to at time zone v_zone) as line
    where p_from is not null or p_to is not null
    group by line.stock_code
  )
  select row_number() over (order by sales.amount desc, sales.stock_code), sales.stock_code, product.description,
         sales.quantity, sales.amount, sales.lines
  from sales join shop.product as product using (stock_code)
  where p_services or product.kind = 'product'
  order by sales.amount desc, sales.stock_code
  limit p_count;
end
$$;
comment on function report.top_products(integer, timestamp, timestamp, boolean) is
  'The products with the highest net sales of [from, to); services only when asked for.';
