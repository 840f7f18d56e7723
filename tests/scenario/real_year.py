"""The real data set, from its CSV to PostgreSQL: every known fact to the last digit, once and
again, while it is loaded and after lines have changed. Without the real data: generated data."""

import csv
import json
import sys
import time
import unittest
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import facts
from sandbox import Sandbox
from shopdata import Data, best_customer, facts_of, months_of
from tillrace import BINARY, Up, run

RETAIL_II = ["Invoice", "StockCode", "Description", "Quantity", "InvoiceDate", "Price",
             "Customer ID", "Country"]
KAGGLE = ["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice",
          "CustomerID", "Country"]


def us_date(date):
    """2010-12-01 08:26:00 as 12/1/2010 8:26."""
    year, month, day = date[:10].split("-")
    return f"{int(month)}/{int(day)}/{year} {int(date[11:13])}:{date[14:16]}"


def rewrite(source, path, header, change, **options):
    """A copy of the CSV with another header, other cells, another encoding."""
    with open(source, encoding="utf-8", newline="") as file, \
            open(path, "w", newline="", **options) as out:
        rows = csv.reader(file)
        next(rows)
        writer = csv.writer(out, quoting=change.quoting, lineterminator=change.line_end)
        writer.writerow(header)
        writer.writerows(map(change.cells, rows))
    return path


class AsKaggle:
    quoting, line_end = csv.QUOTE_MINIMAL, "\n"

    @staticmethod
    def cells(row):
        return [*row[:4], us_date(row[4]), row[5], row[6].removesuffix(".0"), row[7]]


class AsRetailII:
    quoting, line_end = csv.QUOTE_ALL, "\r\n"

    @staticmethod
    def cells(row):
        return row


class RealYear(unittest.TestCase):
    """The tests build on each other and run in this order."""

    @classmethod
    def setUpClass(cls):
        cls.box = Sandbox()
        cls.addClassCleanup(cls.box.close)
        cls.data = Data(cls.box)
        cls.up = Up(cls.box, flags=["--log-level", "warning"])
        took = cls.up.start()
        print(f"first start to ready: {took:.2f} s", flush=True)

    @classmethod
    def tearDownClass(cls):
        if cls.up.runs():
            print(f"up said:\n{cls.up.said()[-2000:]}", flush=True)
            cls.up.stop()

    def post(self, *flags):
        answer = self.up.run("post", self.data.events, "--json", "--quiet", *flags)
        return answer.json()

    def test_1_every_way_of_writing_the_same_csv_converts_to_the_same_bytes(self):
        if not self.data.is_real:
            self.skipTest("needs the real CSV, which is absent")
        with open(self.data.events, "rb") as file:
            wanted = file.read()
        box = self.box
        kaggle = rewrite(self.data.csv, box.path("kaggle.csv"), KAGGLE, AsKaggle,
                         encoding="iso-8859-1")
        retail = rewrite(self.data.csv, box.path("retail-ii.csv"), RETAIL_II, AsRetailII,
                         encoding="utf-8-sig")
        with open(kaggle, "rb") as file:
            self.assertIn("£40.00".encode("iso-8859-1"), file.read())
        for path in (kaggle, retail):
            out = path + ".ndjson"
            answer = run(box, "convert", path, "-o", out, "--json", "--quiet")
            self.assertEqual(answer.json()["rejected"], 0)
            with open(out, "rb") as file:
                self.assertTrue(file.read() == wanted, f"{path} converts to something else")

    def test_2_the_running_aggregates_agree_at_any_moment_of_the_load(self):
        total = len(self.data.lines)
        began = time.monotonic()
        with open(self.box.path("post.out"), "wb") as out, self.up.session() as session:
            post = self.box.spawn(
                [BINARY, "post", self.data.events, "--data-dir", self.up.data, "--json",
                 "--quiet"], stdout=out, stderr=out)
            seen = []
            while not seen or seen[-1] < total:
                seen.append(self.sample(session))
                self.assertLess(time.monotonic() - began, 200, f"lines by time: {seen}")
                self.assertIn(post.poll(), (None, 0))
        self.assertEqual(post.wait(), 0)
        self.up.await_lag_0()
        took = type(self).first_took = time.monotonic() - began
        with open(self.box.path("post.out"), encoding="utf-8") as out:
            posted = json.loads(out.read())
        self.assertEqual((posted["accepted"], posted["refused"], posted["open"]), (total, 0, 0))
        moving = {count for count in seen if 0 < count < total}
        self.assertGreaterEqual(len(moving), 2, f"too few moments were seen: {seen}")
        resident = self.up.metric("process_resident_memory_bytes") / 1e6
        print(f"posted in {posted['seconds']:.1f} s; all visible after {took:.1f} s; the sums"
              f" agreed at {len(seen)} moments, {len(moving)} of them midway; resident"
              f" {resident:.0f} MB", flush=True)

    def sample(self, session):
        session.query("begin isolation level repeatable read read only")
        rows = session.query(facts.AGREEMENT)
        session.query("commit")
        self.assertTrue(facts.agree(rows), f"the sums do not agree: {rows}")
        return int(rows[0][1])

    def test_3_all_facts_hold_as_lines_and_reports(self):
        facts.check_everything(self, self.up, self.data.lines, self.data.is_real)

    def test_4_all_facts_hold_through_the_commands(self):
        lines, wanted = self.data.lines, facts_of(self.data.lines)
        total = self.up.run("report", "total-sales", "--json").json()
        self.assertEqual(total["lines"], wanted["rows"])
        self.assertEqual(Decimal(total["net_sales"]), wanted["net sales"])
        self.assertEqual(Decimal(total["cancelled_amount"]), wanted["cancelled amount"])
        self.assertEqual(total["net_sales"], total["gross_sales"] + total["cancelled_amount"])
        self.assertEqual(total["cancelled_lines"], wanted["cancelled lines"])
        self.assertEqual(total["cancelled_orders"], wanted["cancelled orders"])
        self.assertEqual(total["customers"], wanted["customers"])
        self.assertEqual(
            total["orders"],
            wanted["invoices"] - wanted["cancelled orders"]
            - len({line.invoice_no for line in lines if line.invoice_no.startswith("A")}))
        months = self.up.run("report", "sales-over-time", "--grain", "month", "--json").json()
        self.assertEqual(
            {m["period"][:7]: (m["lines"], Decimal(m["net_sales"])) for m in months},
            months_of(lines))
        cancelled = self.up.run("report", "cancelled-orders", "--json").json()
        self.assertEqual(len(cancelled), wanted["cancelled orders"])
        self.assertEqual(sum(Decimal(each["amount"]) for each in cancelled),
                         wanted["cancelled amount"])

    def test_5_customers_products_and_invoices_hold_through_the_commands(self):
        lines = self.data.lines
        customer, spend, orders = best_customer(lines)
        seen = self.up.run("customer", customer, "--json").json()
        self.assertEqual((Decimal(seen["spend"]["total_spend"]), seen["spend"]["orders"]),
                         (spend, orders))
        self.assertEqual(sum(Decimal(each["amount"]) for each in seen["orders"]), spend)
        returned = [line for line in lines
                    if line.customer_id == customer and line.cancelled and line.quantity < 0]
        self.assertEqual(len(seen["returns"]), len(returned))
        by_code = defaultdict(Decimal)
        for line in lines:
            by_code[line.stock_code] += line.amount
        top = self.up.run("report", "top-products", "--top", 10, "--services", "--json").json()
        wanted = sorted(by_code.items(), key=lambda each: (-each[1], each[0]))[:10]
        self.assertEqual([(each["stock_code"], Decimal(each["amount"])) for each in top], wanted)
        summary = self.up.run("report", "customer-summary", "--json").json()
        self.assertEqual(sum(Decimal(each["net_sales"]) for each in summary),
                         facts_of(lines)["net sales"])
        guests = self.up.run("report", "customer-summary", "--segment", "guests", "--json").json()
        self.assertEqual(guests[0]["lines"], facts_of(lines)["lines of guests"])
        number = lines[0].invoice_no
        invoice = self.up.run("invoice", number, "--json").json()
        self.assertEqual([line["line_no"] for line in invoice],
                         [line.line_no for line in lines if line.invoice_no == number])

    def test_6_posting_the_same_file_again_changes_nothing(self):
        total = len(self.data.lines)
        posted = self.post()
        self.assertEqual(posted["accepted"], total)
        caught_up = self.up.await_lag_0()
        [[inserted, replaced, repeated, rejected]] = self.up.sql(
            "select inserted, replaced, repeated, rejected from stream.checkpoint")
        self.assertEqual((inserted, replaced, repeated, rejected),
                         (str(total), "0", str(total), "0"))
        facts.check_content(self, self.up, self.data.lines)
        facts.check_aggregates(self, self.up)
        print(f"again: posted in {posted['seconds']:.1f} s, caught up {caught_up:.1f} s after",
              flush=True)
        # Repeats write nothing: a plan that makes them dearer than new lines is a wrong one.
        self.assertLess(float(posted["seconds"]) + caught_up, 2 * self.first_took)

    def test_7_a_changed_line_replaces_and_the_aggregates_follow(self):
        lines = self.data.lines
        first = lines[0]
        other = next(line.customer_id for line in lines
                     if line.customer_id not in (None, first.customer_id))
        versions = [
            first._replace(quantity=first.quantity + 7),
            first._replace(customer_id=other),
            first._replace(customer_id=None, invoiced_at="2011-07-01 10:00:00"),
            first._replace(stock_code="NEW-" + first.stock_code[:10], unit_price=Decimal("0.125")),
            first._replace(country="Atlantis", description=None),
        ]
        for version in versions:
            self.send([version])
            self.holds_with(version)
        self.send([first])
        self.holds_with(first)
        self.send([*versions, first, versions[0], first])
        self.holds_with(first)
        self.send([first, versions[2]])
        self.holds_with(versions[2])
        self.send([first])
        facts.check_everything(self, self.up, lines, self.data.is_real)
        replaced = self.up.value("select replaced from stream.checkpoint")
        # 5 versions and back; 8 in one batch, each unlike the one before it; then, in one batch,
        # what is known and another; and back.
        self.assertEqual(replaced, str(6 + 8 + 1 + 1))

    def send(self, lines):
        body = "\n".join(json.dumps(as_event(line)) for line in lines)
        self.assertEqual(self.up.post(body, "application/x-ndjson"), 201)
        self.up.await_lag_0()

    def holds_with(self, version):
        """The first line is now `version`; nothing else has changed."""
        [row] = self.up.sql(
            "select stock_code, quantity, to_char(invoiced_at, 'YYYY-MM-DD HH24:MI:SS'),"
            " trim_scale(unit_price), customer_id, country, description from shop.transaction"
            f" where invoice_no = '{version.invoice_no}' and line_no = {version.line_no}")
        self.assertEqual(
            row, [version.stock_code, str(version.quantity), version.invoiced_at,
                  f"{version.unit_price.normalize():f}", version.customer_id, version.country,
                  version.description])
        wanted = facts_of(self.data.lines)["net sales"] \
            - self.data.lines[0].amount + version.amount
        self.assertEqual(Decimal(self.up.value("select sum(amount) from report.customer_sales")),
                         wanted)
        sums = self.up.sql(facts.SETTINGS + facts.AGREEMENT)
        self.assertTrue(facts.agree(sums), f"the sums do not agree: {sums}")
        empty = ("select count(*) from shop.invoice as head where not exists (select from"
                 " shop.invoice_line as line where line.invoice_no = head.invoice_no"
                 " and line.part = head.part)")
        self.assertEqual(self.up.value(empty), "0", "an invoice without lines is left")


def as_event(line):
    event = {
        "InvoiceNo": line.invoice_no, "LineNo": line.line_no, "StockCode": line.stock_code,
        "Description": line.description, "Quantity": line.quantity,
        "InvoiceDate": line.invoiced_at, "UnitPrice": str(line.unit_price),
        "CustomerID": line.customer_id, "Country": line.country,
    }
    return {name: value for name, value in event.items() if value is not None}


if __name__ == "__main__":
    unittest.main(verbosity=2, failfast=True)
