-- The real data's codes that are no goods. Goods start with a digit there; a shop whose own codes look otherwise is
-- served by the list: what is not on it is a product.
create or replace function shop.product_kind(stock_code text) returns text
language sql immutable parallel safe as $$
  select case
    when upper(stock_code) in ('POST', 'DOT', 'M', 'D', 'C2', 'S', 'B', 'PADS', 'CRUK', 'BANK CHARGES', 'AMAZONFEE',
                               'ADJUST', 'ADJUST2', 'TEST001', 'TEST002', 'GIFT', 'SP1002')
      or upper(stock_code) like 'GIFT\_%' then 'service'
    else 'product'
  end
$$;
comment on function shop.product_kind(text) is 'service for postage, charges, vouchers and the like; else product.';
