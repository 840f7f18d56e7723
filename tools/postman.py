#!/usr/bin/env python3
"""docs/postman/tillrace.postman_collection.json, made from src/app/api/openapi.json.

    tools/postman.py           writes it
    tools/postman.py --check   exits 1 when it is not what would be written

One request for each named example, in the document's order, with tests of the documented status,
content type, headers and shape. Same document, same bytes.
"""

import argparse
import json
import sys
import uuid
from pathlib import Path

import api_examples

COLLECTION = (
    Path(__file__).resolve().parent.parent / "docs/postman/tillrace.postman_collection.json"
)
FORMAT = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
WORDS = {"description", "title", "examples", "contentMediaType"}  # for people, not for checks

SEND_KEY = """\
const key = pm.variables.get("apiKey");
if (key) pm.request.headers.upsert({key: "Authorization", value: `Bearer ${key}`});"""

DESCRIPTION = """\
Made from openapi.json by tools/postman.py. Set `baseUrl` to where Tillrace listens and, when it \
asks for one, `apiKey` to a key with the scopes ingest, read and admin. Run it as a whole and in \
order: a replay comes after what it replays."""


def shape_of(schema):
    """The schema without its words."""
    if isinstance(schema, list):
        return [shape_of(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    shape = {}
    for name, each in schema.items():
        if name == "properties":
            shape[name] = {field: shape_of(of_field) for field, of_field in each.items()}
        elif name not in WORDS:
            shape[name] = shape_of(each)
    return shape


def test(name, *statements):
    return [f'pm.test("{name}", () => {{', *(f"  {each}" for each in statements), "});"]


def shape_test(media):
    kind, schema = media.content_type, media.schema
    if kind == api_examples.LINES:
        return test(
            "each line has the documented shape",
            f"const shape = {json.dumps(shape_of(schema['contentSchema']))};",
            'const lines = pm.response.text().trim().split("\\n");',
            "for (const line of lines) pm.expect(JSON.parse(line)).to.have.jsonSchema(shape);",
        )
    if kind.endswith("json"):
        shape = json.dumps(shape_of(schema))
        return test(
            "the answer has the documented shape",
            f"pm.response.to.have.jsonSchema({shape});",
        )
    pattern = json.dumps(schema["pattern"])
    return test(
        "the answer begins as documented",
        f"pm.expect(pm.response.text()).to.match(new RegExp({pattern}));",
    )


def header_tests(headers):
    lines = []
    for name, (told, example) in headers.items():
        if example is not None:
            lines += test(
                f"{name} is {example}",
                f'pm.expect(pm.response.headers.get("{name}")).to.equal("{example}");',
            )
        elif told.get("required"):
            lines += test(f"{name} is there", f'pm.response.to.have.header("{name}");')
    return lines


def tests_of(answer):
    kind = answer.media.content_type
    return [
        *test(f"the status is {answer.status}", f"pm.response.to.have.status({answer.status});"),
        *test(
            f"the answer is {kind}",
            'const kind = pm.response.headers.get("Content-Type").split(";")[0];',
            f'pm.expect(kind).to.equal("{kind}");',
        ),
        *header_tests(answer.headers),
        *shape_test(answer.media),
    ]


def script(listen, lines):
    return {"listen": listen, "script": {"type": "text/javascript", "exec": lines}}


def url_of(exchange):
    path, _, query = exchange.target().partition("?")
    url = {"raw": "{{baseUrl}}" + exchange.target(), "host": ["{{baseUrl}}"]}
    url["path"] = path.lstrip("/").split("/")
    if query:
        values = exchange.parameters["query"]
        url["query"] = [{"key": name, "value": value} for name, value in values.items()]
    return url


def item_of(exchange):
    request = {
        "method": exchange.method,
        "header": [{"key": name, "value": value} for name, value in exchange.headers().items()],
        "url": url_of(exchange),
        "description": exchange.operation["summary"],
    }
    if exchange.body is not None:
        language = "json" if exchange.content_type == "application/json" else "text"
        request["body"] = {
            "mode": "raw",
            "raw": exchange.body,
            "options": {"raw": {"language": language}},
        }
    return {
        "name": exchange.summary,
        "event": [script("test", tests_of(exchange.answer))],
        "request": request,
        "response": [],
    }


def collection(document):
    found = api_examples.exchanges(document)
    return {
        "info": {
            "_postman_id": str(uuid.uuid5(uuid.NAMESPACE_DNS, "postman.tillrace.dev")),
            "name": f"{document['info']['title']} {document['info']['version']}",
            "description": DESCRIPTION,
            "schema": FORMAT,
        },
        "item": [
            {
                "name": tag["name"],
                "description": tag["description"],
                "item": [item_of(each) for each in found if tag["name"] in each.operation["tags"]],
            }
            for tag in document["tags"]
        ],
        "event": [script("prerequest", SEND_KEY.split("\n"))],
        "variable": [
            {"key": "baseUrl", "value": "http://127.0.0.1:8080"},
            {"key": "apiKey", "value": ""},
        ],
    }


def main():
    parser = argparse.ArgumentParser(description="makes the Postman collection")
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    options = parser.parse_args()
    made = collection(api_examples.load())
    text = json.dumps(made, indent=2, ensure_ascii=False) + "\n"
    if not options.check:
        COLLECTION.parent.mkdir(parents=True, exist_ok=True)
        COLLECTION.write_text(text, encoding="utf-8")
        return 0
    if COLLECTION.is_file() and COLLECTION.read_text(encoding="utf-8") == text:
        return 0
    print(f"{COLLECTION} is not what openapi.json says; run tools/postman.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
