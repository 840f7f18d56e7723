"""The requests that openapi.json shows, each with the answer that it documents.

Examples that bear one name belong together: of the parameters, of the body and of the answer. An
operation that shows no request has one all the same, answered by its first answer.
"""

import json
import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlencode

DOCUMENT = Path(__file__).resolve().parent.parent / "src/app/api/openapi.json"
LINES = "application/x-ndjson"


class Media(NamedTuple):
    """A body of one content type: its schema, and the examples by name."""

    content_type: str
    schema: dict
    examples: dict


class Answer(NamedTuple):
    status: int
    media: Media
    value: object  # the example; None when the document shows none
    headers: dict  # name -> (the header's description, its example or None)


class Exchange(NamedTuple):
    operation: dict
    method: str
    path: str  # as the document writes it: /problems/{slug}
    name: str
    summary: str
    parameters: dict  # "query", "header", "path" -> name -> text
    content_type: str | None
    body: str | None
    answer: Answer

    def target(self):
        path = re.sub(r"\{(\w+)\}", lambda m: quote(self.parameters["path"][m[1]]), self.path)
        query = urlencode(self.parameters["query"])
        return f"{path}?{query}" if query else path

    def headers(self):
        kind = {"Content-Type": self.content_type} if self.content_type else {}
        return kind | self.parameters["header"]


def load(path=DOCUMENT):
    return json.loads(path.read_text(encoding="utf-8"))


def resolve(document, node):
    """`node` with every reference replaced by what it stands for. No schema contains itself."""
    if isinstance(node, list):
        return [resolve(document, each) for each in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        at = document
        for step in node["$ref"].removeprefix("#/").split("/"):
            at = at[step.replace("~1", "/").replace("~0", "~")]
        return resolve(document, at)
    return {name: resolve(document, each) for name, each in node.items()}


def exchanges(document):
    """All of them, in the document's order."""
    found = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            found += of_operation(method.upper(), path, resolve(document, operation))
    return found


def of_operation(method, path, operation):
    bodies = medias(operation.get("requestBody", {}))
    parameters = operation.get("parameters", [])
    shown = {name: example for media in bodies for name, example in media.examples.items()}
    for parameter in parameters:
        for name, example in parameter.get("examples", {}).items():
            shown.setdefault(name, example)
    if not shown:
        first = next(iter(operation["responses"].values()))
        names = [name for media in medias(first) for name in media.examples]
        shown = {(names or [operation["operationId"]])[0]: {"summary": operation["summary"]}}
    return [
        exchange(method, path, operation, name, example.get("summary", name))
        for name, example in shown.items()
    ]


def exchange(method, path, operation, name, summary):
    values = {"query": {}, "header": {}, "path": {}}
    for parameter in operation.get("parameters", []):
        example = parameter.get("examples", {}).get(name)
        if example:
            values[parameter["in"]][parameter["name"]] = text_of(example["value"])
    content_type = body = None
    for media in medias(operation.get("requestBody", {})):
        if name in media.examples:
            content_type, body = media.content_type, text_of(media.examples[name]["value"])
    answer = documented_answer(operation, name)
    return Exchange(operation, method, path, name, summary, values, content_type, body, answer)


def documented_answer(operation, name):
    """That whose example has this name; of an operation without examples its first."""
    answers = [
        (status, response, media)
        for status, response in operation["responses"].items()
        for media in medias(response)
    ]
    named = [each for each in answers if name in each[2].examples]
    if not named and name != operation["operationId"]:
        raise ValueError(f"{operation['operationId']}: no answer is documented for '{name}'")
    status, response, media = (named or answers)[0]
    headers = {
        header: (told, told.get("examples", {}).get(name, {}).get("value"))
        for header, told in response.get("headers", {}).items()
    }
    return Answer(int(status), media, media.examples.get(name, {}).get("value"), headers)


def medias(body_or_response):
    return [
        Media(kind, media["schema"], media.get("examples", {}))
        for kind, media in body_or_response.get("content", {}).items()
    ]


def text_of(value):
    """As it is sent: a text as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
