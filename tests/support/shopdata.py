"""The transactions that tests send, and what must come of them, worked out here in Python.

The real data set is taken from ../shared/data beside the project where it is present (see there:
README.md); else `tillrace generate` makes some. Which it is, each test says.
"""

import csv
import hashlib
import json
import lzma
import os
from collections import Counter, defaultdict
from decimal import Decimal
from typing import NamedTuple

from tillrace import SOURCE, run

REAL = SOURCE.parent / "shared" / "data" / "online-retail.csv.xz"
GENERATED_ROWS = 200_000

# ../shared/data/README.md, to the last digit.
REAL_FACTS = {
    "rows": 541_909,
    "invoices": 25_900,
    "stock codes": 4_070,
    "customers": 4_372,
    "countries": 38,
    "net sales": Decimal("9747747.934"),
    "cancelled lines": 9_288,
    "cancelled orders": 3_836,
    "cancelled amount": Decimal("-896812.49"),
    "lines with negative quantity": 10_624,
    "write-offs": 1_336,
    "lines of guests": 135_080,
    "lines without description": 1_454,
    "adjustments": 3,
    "copies of another line": 5_268,
    "repeats of invoice and stock code": 10_684,
}
REAL_CUSTOMER = ("14646", Decimal("279489.02"), 74)


class Line(NamedTuple):
    invoice_no: str
    line_no: int
    stock_code: str
    description: str | None
    quantity: int
    invoiced_at: str  # YYYY-MM-DD HH:MM:SS
    unit_price: Decimal
    customer_id: str | None
    country: str

    @property
    def amount(self):
        return self.quantity * self.unit_price

    @property
    def cancelled(self):
        return self.invoice_no.startswith("C")


def real_csv(box):
    """The unpacked file, kept for the next test where the build gives a place for it."""
    folder = os.environ.get("TILLRACE_TEST_CACHE", box.folder)
    path = os.path.join(folder, "online-retail.csv")
    if not os.path.exists(path):
        os.makedirs(folder, exist_ok=True)
        partial = f"{path}.{os.getpid()}"
        with lzma.open(REAL) as packed, open(partial, "wb") as file:
            while block := packed.read(1 << 20):
                file.write(block)
        os.replace(partial, path)
    return path


def lines_of_csv(path):
    """Read by Python's csv alone, so that it can bear witness against `convert`."""
    places = Counter()
    with open(path, encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        next(rows)
        for number, code, description, quantity, date, price, customer, country in rows:
            places[number] += 1
            yield Line(
                number, places[number], code, description.strip(" \t\r\n") or None,
                int(quantity), date, Decimal(price), customer.removesuffix(".0") or None, country,
            )


def lines_of_ndjson(path):
    with open(path, encoding="utf-8") as file:
        for text in file:
            event = json.loads(text, parse_float=Decimal)
            yield Line(
                event["InvoiceNo"], event["LineNo"], event["StockCode"],
                event.get("Description"), event["Quantity"],
                event["InvoiceDate"].replace("T", " "), Decimal(event["UnitPrice"]),
                event.get("CustomerID"), event["Country"],
            )


class Data:
    """A data set: its file of events, its lines, and whether it is the real one."""

    def __init__(self, box, rows=None):
        self.is_real = rows is None and REAL.exists()
        self.events = box.path("events.ndjson")
        if self.is_real:
            self.csv = real_csv(box)
            run(box, "convert", self.csv, "-o", self.events, "--quiet")
            self.lines = list(lines_of_csv(self.csv))
            print(f"data: the real data set, {len(self.lines)} lines", flush=True)
            return
        count = rows or GENERATED_ROWS
        run(box, "generate", "--rows", count, "--seed", 3, "-o", self.events, "--quiet")
        self.lines = list(lines_of_ndjson(self.events))
        why = "" if rows else f" ({REAL.name} is absent)"
        print(f"data: generated, {len(self.lines)} lines{why}", flush=True)


def once(function):
    """Remembers the answer for the last list asked about. Lists of lines are never changed."""
    last = []

    def remembered(lines):
        if not last or last[0] is not lines:
            last[:] = [lines, function(lines)]
        return last[1]

    return remembered


@once
def facts_of(lines):
    """The facts of REAL_FACTS, worked out for any lines."""
    cancelled = [line for line in lines if line.cancelled]
    return {
        "rows": len(lines),
        "invoices": len({line.invoice_no for line in lines}),
        "stock codes": len({line.stock_code for line in lines}),
        "customers": len({line.customer_id for line in lines} - {None}),
        "countries": len({line.country for line in lines}),
        "net sales": sum(line.amount for line in lines),
        "cancelled lines": len(cancelled),
        "cancelled orders": len({line.invoice_no for line in cancelled}),
        "cancelled amount": sum(line.amount for line in cancelled),
        "lines with negative quantity": sum(line.quantity < 0 for line in lines),
        "write-offs": sum(line.quantity < 0 and not line.cancelled for line in lines),
        "lines of guests": sum(line.customer_id is None for line in lines),
        "lines without description": sum(line.description is None for line in lines),
        "adjustments": sum(line.invoice_no.startswith("A") for line in lines),
        "copies of another line": len(lines) - len({line._replace(line_no=0) for line in lines}),
        "repeats of invoice and stock code":
            len(lines) - len({(line.invoice_no, line.stock_code) for line in lines}),
    }


@once
def months_of(lines):
    """Month -> (lines, net sales)."""
    sums = defaultdict(lambda: [0, Decimal(0)])
    for line in lines:
        month = sums[line.invoiced_at[:7]]
        month[0] += 1
        month[1] += line.amount
    return {month: tuple(both) for month, both in sums.items()}


@once
def best_customer(lines):
    """(CustomerID, spend, orders that are no cancellations) of who spent most."""
    spend, orders = defaultdict(Decimal), defaultdict(set)
    for line in lines:
        if line.customer_id:
            spend[line.customer_id] += line.amount
            if not line.cancelled:
                orders[line.customer_id].add(line.invoice_no)
    most = max(spend, key=lambda customer: (spend[customer], customer))
    return most, spend[most], len(orders[most])


COPY_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def copy_row(line):
    """A line as COPY writes it: facts.py's ALL_LINES in the same order."""
    price = line.unit_price.normalize()
    cells = (
        line.invoice_no, line.line_no, line.stock_code, line.description, line.quantity,
        line.invoiced_at, f"{price:f}", line.customer_id, line.country,
    )
    return "\t".join("\\N" if c is None else str(c).translate(COPY_ESCAPES) for c in cells)


@once
def copy_text(lines):
    """All lines as PostgreSQL has them, sorted by (invoice_no, line_no), as one text."""
    ordered = sorted(lines, key=lambda line: (line.invoice_no.encode(), line.line_no))
    return "".join(copy_row(line) + "\n" for line in ordered).encode()


def digest(data):
    return hashlib.sha256(data).hexdigest()
