"""What must be true of a warehouse, asked of it in SQL."""

from decimal import Decimal

from shopdata import (
    REAL_CUSTOMER, REAL_FACTS, best_customer, copy_text, digest, facts_of, months_of,
)
from sql import copy_out

# Without jit, and with memory for the hashes: so these take seconds, not tens of them.
SETTINGS = "set jit = off; set work_mem = '256MB';\n"

FACTS = """
select count(*) as "rows",
  count(distinct invoice_no) as "invoices",
  count(distinct stock_code) as "stock codes",
  count(distinct customer_id) as "customers",
  count(distinct country) as "countries",
  coalesce(sum(amount), 0) as "net sales",
  count(*) filter (where invoice_no like 'C%') as "cancelled lines",
  count(distinct invoice_no) filter (where invoice_no like 'C%') as "cancelled orders",
  coalesce(sum(amount) filter (where invoice_no like 'C%'), 0) as "cancelled amount",
  count(*) filter (where quantity < 0) as "lines with negative quantity",
  count(*) filter (where kind = 'write_off') as "write-offs",
  count(*) filter (where customer_id is null) as "lines of guests",
  count(*) filter (where description is null) as "lines without description",
  count(*) filter (where kind = 'adjustment') as "adjustments",
  count(*) - (select count(*) from (
      select distinct invoice_no, part, stock_code, description, quantity, unit_price
      from shop.invoice_line) as alike) as "copies of another line",
  count(*) - (select count(*) from (
      select distinct invoice_no, stock_code
      from shop.invoice_line) as alike) as "repeats of invoice and stock code"
from shop.transaction
"""

ALL_LINES = """
select invoice_no, line_no, stock_code, description, quantity, invoiced_at at time zone 'UTC',
  trim_scale(unit_price), customer_id, country
from shop.transaction order by invoice_no collate "C", line_no
"""

# Each running aggregate against the lines it adds up: rows of one that the other has not.
AGGREGATES = {
    "sales_by_hour": ("date_trunc('hour', invoiced_at, shop.time_zone())", "hour, country",
                      "country"),
    "product_sales": ("stock_code", "stock_code", None),
    "customer_sales": ("customer_id", "customer_id", None),
}
SUMS = "lines, quantity, amount, cancelled_lines, cancelled_quantity, cancelled_amount"
SUMS_OF_LINES = """count(*), sum(quantity), sum(amount),
  count(*) filter (where invoice_no like 'C%'),
  coalesce(sum(quantity) filter (where invoice_no like 'C%'), 0),
  coalesce(sum(amount) filter (where invoice_no like 'C%'), 0)"""

AGREEMENT = """
with sums as (
  select 0 as place, 'shop.transaction' as name, count(*) as lines,
    coalesce(sum(quantity), 0) as quantity, coalesce(sum(amount), 0) as amount
  from shop.transaction
  union all select 1, 'sales_by_hour_part', coalesce(sum(lines), 0), coalesce(sum(quantity), 0),
    coalesce(sum(amount), 0) from report.sales_by_hour_part
  union all select 2, 'product_sales_part', coalesce(sum(lines), 0), coalesce(sum(quantity), 0),
    coalesce(sum(amount), 0) from report.product_sales_part
  union all select 3, 'customer_sales_part', coalesce(sum(lines), 0), coalesce(sum(quantity), 0),
    coalesce(sum(amount), 0) from report.customer_sales_part
  union all select 4, 'inserted by stream.checkpoint', coalesce(sum(inserted), 0), null, null
    from stream.checkpoint
) select name, lines, quantity, amount from sums order by place
"""

FOREIGN_KEYS = """
select conrelid::regclass, confrelid::regclass,
  (select string_agg(format('child.%I = parent.%I', c.attname, p.attname), ' and ')
   from unnest(conkey, confkey) as k (c, p)
   join pg_attribute c on c.attrelid = conrelid and c.attnum = k.c
   join pg_attribute p on p.attrelid = confrelid and p.attnum = k.p),
  (select string_agg(format('child.%I is not null', c.attname), ' and ')
   from unnest(conkey) as k (c) join pg_attribute c on c.attrelid = conrelid and c.attnum = k.c)
from pg_constraint where contype = 'f' order by 1::text, 2::text
"""



def check_facts(test, up, lines, is_real):
    """Every fact of the README, as lines, to the last digit."""
    wanted = facts_of(lines)
    if is_real:
        test.assertEqual(wanted, REAL_FACTS, "the test's own reading of the data set")
    [row] = up.sql(SETTINGS + FACTS)
    got = dict(zip(wanted, map(Decimal, row), strict=True))
    test.assertEqual(got, {name: Decimal(value) for name, value in wanted.items()})
    customer, spend, orders = best_customer(lines)
    if is_real:
        test.assertEqual((customer, spend, orders), REAL_CUSTOMER)
    [row] = up.sql(
        f"select total_spend, orders, (select sum(amount) from shop.transaction where"
        f" customer_id = '{customer}') from shop.customer_spend('{customer}')"
    )
    test.assertEqual([Decimal(cell) for cell in row], [spend, orders, spend])


def check_content(test, up, lines):
    """Every line, byte for byte; returns the digest."""
    wanted = copy_text(lines)
    got = copy_out(up.warehouse_url, ALL_LINES)
    if got != wanted:
        test.fail(first_difference(wanted.decode().split("\n"), got.decode().split("\n")))
    return digest(got)


def first_difference(wanted, got):
    for number, (left, right) in enumerate(zip(wanted, got, strict=False), 1):
        if left != right:
            return f"line {number} should be\n{left}\nand is\n{right}"
    return f"{len(wanted) - 1} lines wanted, {len(got) - 1} there"


def check_months(test, up, lines):
    wanted = months_of(lines)
    rows = up.sql(
        "select to_char(period, 'YYYY-MM'), lines, net_sales from report.sales_over_time('month')"
    )
    got = {month: (int(count), Decimal(amount)) for month, count, amount in rows}
    test.assertEqual(got, wanted)


def check_aggregates(test, up):
    """Each running aggregate equals the lines, group by group. Groups whose lines have all moved
    elsewhere may be kept, at zero."""
    for name, (keys, columns, more) in AGGREGATES.items():
        group = keys + (f", {more}" if more else "")
        lines = f"select {group}, {SUMS_OF_LINES} from shop.transaction group by {group}"
        view = f"select {columns}, {SUMS} from report.{name}"
        [[count]] = up.sql(
            f"{SETTINGS} select count(*) from (({lines} except all {view}) union all"
            f" ({view} except all {lines})) as difference"
        )
        test.assertEqual(count, "0", f"report.{name} differs from the lines in {count} rows")
    rows = up.sql(SETTINGS + AGREEMENT)
    test.assertTrue(agree(rows), f"the sums do not agree: {rows}")


def agree(rows):
    """Whether all sums of AGREEMENT are those of the lines."""
    lines = rows[0][1:]
    return all(
        Decimal(cell) == Decimal(wanted)
        for row in rows[1:] for cell, wanted in zip(row[1:], lines, strict=True) if cell is not None
    )


def check_foreign_keys(test, up):
    """No line without its parent, whatever the triggers were doing. Returns the number of keys."""
    keys = up.sql(FOREIGN_KEYS)
    for child, parent, condition, present in keys:
        [[count]] = up.sql(
            f"{SETTINGS} select count(*) from {child} as child where {present} and not exists"
            f" (select from {parent} as parent where {condition})"
        )
        test.assertEqual(count, "0", f"{count} rows of {child} have no {parent}")
    return len(keys)


def check_everything(test, up, lines, is_real):
    """Facts, content, aggregates, keys; for a warehouse that holds exactly `lines`."""
    check_facts(test, up, lines, is_real)
    content = check_content(test, up, lines)
    check_months(test, up, lines)
    check_aggregates(test, up)
    keys = check_foreign_keys(test, up)
    test.assertGreaterEqual(keys, 4)
    print(f"all facts hold; {keys} foreign keys; content {content[:16]}", flush=True)
