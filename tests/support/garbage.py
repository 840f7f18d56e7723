"""The records of garbage.json that are no events.

A kind has a `name`; its value as `text`, `base64`, `event` (a right event with these fields
changed; null takes one away) or `repeat` ([before, piece, times, after]); a `header` where it lies
in Kafka; and what stream.rejected has to say of it: `kind`, `field`, and `says`, a part of the
reason.
"""

import base64
import json

from tillrace import SOURCE

KINDS = json.loads((SOURCE / "tests/scenario/garbage.json").read_text(encoding="utf-8"))
GOOD = {
    "InvoiceNo": "700001", "StockCode": "85123A", "Description": "HEART", "Quantity": 6,
    "InvoiceDate": "2010-12-01T08:26", "UnitPrice": 2.55, "CustomerID": "17850", "Country": "UK",
}


def value_of(kind):
    """The bytes of a record of this kind."""
    if "base64" in kind:
        return base64.b64decode(kind["base64"])
    if "event" in kind:
        event = {k: v for k, v in (GOOD | kind["event"]).items() if v is not None}
        return json.dumps(event).encode()
    if "repeat" in kind:
        before, piece, times, after = kind["repeat"]
        return (before + piece * times + after).encode()
    return kind["text"].encode()


def good_event(number):
    """The bytes of an event of an invoice of its own, which names no line."""
    return json.dumps(GOOD | {"InvoiceNo": str(800_000 + number)}).encode()
