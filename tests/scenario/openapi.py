"""openapi.json against the running program: a validator takes it, every example in it is sent and
answered as it says, it knows every field and every error of the sources, and /docs shows it all in
a browser that reaches nothing else."""

import http.client
import json
import re
import sys
import unittest
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(SOURCE / "tests/support"), str(SOURCE / "tools")]

import api_examples
import test_tools
from running import Running
from sandbox import Sandbox
from tillrace import SLOWNESS, Up, run

# The words of a detail are for people, and may tell more than the document's example does.
NOT_COMPARED = {"detail"}
# Cases of bad_inputs.json whose rule JSON Schema cannot say: bytes, zeros behind the point of a
# text, calendars, how a number is written.
BEYOND_SCHEMA = ["Description of 501 bytes", "UnitPrice with five decimals",
                 "the 30th of February", "LineNo 1.0"]


def setUpModule():
    test_tools.python_modules()


def document():
    return api_examples.load()


def validator(schema):
    from jsonschema import Draft202012Validator, FormatChecker
    return Draft202012Validator(schema, format_checker=FormatChecker())


def values_of(media, text):
    """What stands in a body, each with the schema that it must obey."""
    if media.content_type == api_examples.LINES:
        schema = media.schema["contentSchema"]
        return [(json.loads(line), schema) for line in text.splitlines()]
    if media.content_type.endswith("json"):
        return [(json.loads(text), media.schema)]
    return [(text, media.schema)]


def comparable(value):
    """Without what differs from time to time, such as how far the lake is."""
    kept = {k: v for k, v in value.items() if k not in NOT_COMPARED}
    if "lag" in kept:
        kept["lag"] = [dict(each, records=0) if each["sink"] == "lake" else each
                       for each in kept["lag"]]
    if "lake" in kept and "partitions" in kept:
        kept["partitions"] = [each["partition"] for each in kept["partitions"]]
    return kept


class Document(unittest.TestCase):
    def test_a_validator_finds_no_fault(self):
        from openapi_spec_validator import OpenAPIV31SpecValidator
        faults = [str(each) for each in OpenAPIV31SpecValidator(document()).iter_errors()]
        self.assertEqual(faults, [])

    def test_every_example_obeys_its_schema_but_those_that_are_to_be_refused(self):
        checked = 0
        for exchange in api_examples.exchanges(document()):
            if exchange.answer.status != 201:
                continue
            for media in api_examples.medias(exchange.operation.get("requestBody", {})):
                if exchange.body and media.content_type == exchange.content_type:
                    checked += self.obeys(exchange.name, media, exchange.body)
        for operation in self.operations():
            for response in operation["responses"].values():
                for media in api_examples.medias(response):
                    for name, example in media.examples.items():
                        text = api_examples.text_of(example["value"])
                        checked += self.obeys(name, media, text)
        print(f"{checked} values of examples obey their schemas", flush=True)
        self.assertGreater(checked, 50)

    def operations(self):
        whole = document()
        return [api_examples.resolve(whole, operation)
                for methods in whole["paths"].values() for operation in methods.values()]

    def obeys(self, name, media, text):
        values = values_of(media, text)
        for value, schema in values:
            faults = [each.message for each in validator(schema).iter_errors(value)]
            self.assertEqual(faults, [], f"{name}: {value}")
        return len(values)

    def test_the_event_has_the_fields_of_the_model(self):
        text = (SOURCE / "src/model/fields.cc").read_text(encoding="utf-8")
        fields = re.findall(r'\{"(\w+)", "\w+", (true|false),', text)
        event = document()["components"]["schemas"]["Event"]
        self.assertEqual(list(event["properties"]), [name for name, _ in fields])
        self.assertEqual(event["required"], [name for name, must in fields if must == "true"])

    def test_what_the_program_refuses_the_events_schema_refuses(self):
        cases = json.loads(
            (SOURCE / "tests/scenario/bad_inputs.json").read_text(encoding="utf-8"))
        good = json.loads(next(
            each.body for each in api_examples.exchanges(document()) if each.name == "single"))
        event = validator(document()["components"]["schemas"]["Event"])
        taken = []
        refused = [case for case in cases if "event" in case and case["status"] == 422]
        for case in refused:
            changed = {k: v for k, v in (good | case["event"]).items() if v is not None}
            if event.is_valid(changed):
                taken.append(case["name"])
        self.assertEqual(taken, BEYOND_SCHEMA)
        self.assertGreater(len(refused), 20)

    def test_it_knows_every_error_of_the_sources(self):
        listed = document()["components"]["schemas"]["ProblemType"]["enum"]
        listed = [each.removeprefix("/problems/") for each in listed]
        known = (SOURCE / "src/app/problem_kinds.cc").read_text(encoding="utf-8")
        kinds = re.findall(r'ProblemKind\{\s*(\d+),\s*"([a-z-]+)",\s*"([^"]+)"', known)
        self.assertEqual(listed, [slug for _, slug, _ in kinds])
        answered = set()
        for path in SOURCE.glob("src/*/*.cc"):
            if not re.search(r"_test\.cc|_for_tests|scripted_", path.name):
                answered |= set(re.findall(r'problem\(\s*(\d+),\s*"([a-z-]+)",\s*"([^"]+)"',
                                           path.read_text(encoding="utf-8")))
        self.assertEqual(answered, set(kinds))


class Documented(Running):
    """What holds the program's answers against the document's."""

    def send(self, exchange, more=()):
        connection = http.client.HTTPConnection("127.0.0.1", self.up.port, timeout=10 * SLOWNESS)
        body = None if exchange.body is None else exchange.body.encode()
        headers = exchange.headers() | dict(more)
        connection.request(exchange.method, exchange.target(), body, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer, text

    def as_documented(self, documented, answer, text):
        self.assertEqual(answer.status, documented.status, text)
        kind = answer.headers["Content-Type"].split(";")[0]
        self.assertEqual(kind, documented.media.content_type, text)
        for value, schema in values_of(documented.media, text):
            faults = [each.message for each in validator(schema).iter_errors(value)]
            self.assertEqual(faults, [], text)
        for name, (told, example) in documented.headers.items():
            if told.get("required"):
                self.assertIn(name, answer.headers)
                pattern = told["schema"].get("pattern", "")
                self.assertRegex(answer.headers[name], pattern, name)
            if example is not None:
                self.assertEqual(answer.headers[name], example, name)
        if documented.value is not None and kind != "text/plain":
            self.same(documented, text)

    def same(self, documented, text):
        shown = values_of(documented.media, api_examples.text_of(documented.value))
        given = values_of(documented.media, text)
        self.assertEqual([comparable(value) for value, _ in given],
                         [comparable(value) for value, _ in shown])


class Program(Documented):
    def test_it_serves_the_document_of_its_version(self):
        status, body = self.up.get("/openapi.json")
        self.assertEqual((status, json.loads(body)), (200, document()))
        version = run(self.box, "--version").out.split()[-1]
        self.assertEqual(document()["info"]["version"], version)

    def test_every_example_is_answered_as_documented(self):
        """In the document's order, on a server that has seen nothing else."""
        sent = api_examples.exchanges(document())
        for exchange in sent:
            with self.subTest(operation=exchange.operation["operationId"], example=exchange.name):
                if exchange.method == "GET":
                    self.up.await_lag_0()
                self.as_documented(exchange.answer, *self.send(exchange))
        print(f"{len(sent)} examples sent", flush=True)

    def test_every_problem_leads_somewhere(self):
        kinds = json.loads(self.up.get("/problems")[1])
        listed = document()["components"]["schemas"]["ProblemType"]["enum"]
        self.assertEqual([kind["type"] for kind in kinds], listed)
        for kind in kinds:
            status, body = self.up.get(kind["type"])
            self.assertEqual((status, json.loads(body)), (200, kind))


class Keys(Documented):
    """With authentication on: who may do what the document says."""

    SETTINGS = {"TILLRACE_AUTH__REQUIRED": "true"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.keys = {}
        for scope in ("ingest", "read"):
            made = cls.up.run("keys", "create", scope, "--scope", scope, "--quiet")
            cls.keys[scope] = made.out.strip()
        cls.up.stop()
        cls.up.start()  # a running server looks at its keys only now and then

    def guarded(self):
        return [each for each in api_examples.exchanges(document()) if each.operation["security"]]

    def test_what_needs_no_key_needs_none(self):
        for exchange in api_examples.exchanges(document()):
            if not exchange.operation["security"]:
                with self.subTest(exchange.path):
                    self.up.await_lag_0()
                    self.as_documented(exchange.answer, *self.send(exchange))

    def test_without_a_key_the_answer_is_401(self):
        for exchange in self.guarded():
            with self.subTest(exchange.name):
                documented = api_examples.documented_answer(exchange.operation, "unauthorized")
                self.as_documented(documented, *self.send(exchange))

    def test_a_key_with_another_scope_gets_403(self):
        for exchange in self.guarded():
            with self.subTest(exchange.name):
                needed = exchange.operation["security"][1]["bearer"][0]
                other = "read" if needed == "ingest" else "ingest"
                answer, text = self.send(exchange, {"X-API-Key": self.keys[other]})
                documented = api_examples.documented_answer(exchange.operation, "forbidden")
                self.assertEqual((answer.status, json.loads(text)["type"]),
                                 (403, documented.value["type"]))
                self.assertEqual(json.loads(text)["scope"], needed)

    def test_a_key_is_taken_in_either_header(self):
        single = next(each for each in self.guarded() if each.name == "single")
        key = self.keys["ingest"]
        for headers in ({"Authorization": f"Bearer {key}"}, {"X-API-Key": key}):
            self.assertEqual(self.send(single, headers)[0].status, 201)


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.box = Sandbox()
        cls.addClassCleanup(cls.box.close)
        modules, node = test_tools.node_modules(), test_tools.program("node")
        chromium = test_tools.program("chromium")
        cls.up = Up(cls.box)
        cls.up.start()
        script = Path(__file__).with_name("docs_page.mjs")
        command = [node, script, modules, chromium, cls.up.url, test_tools.pictures()]
        environment = {"HOME": cls.box.folder, "PATH": "/usr/bin:/bin", "TMPDIR": cls.box.folder}
        child = cls.box.spawn(list(map(str, command)), env=environment, stdout=-1, stderr=-1)
        out, err = child.communicate(timeout=120 * SLOWNESS)
        if child.returncode != 0:
            raise AssertionError(f"the browser ended with {child.returncode}:\n{err.decode()}")
        cls.seen = json.loads(out)

    def test_it_shows_every_operation_schema_field_and_example(self):
        whole = document()
        operations = [f"{method.upper()} {path}"
                      for path, methods in whole["paths"].items() for method in methods]
        self.assertEqual(sorted(self.seen["operations"]), sorted(operations))
        schemas = whole["components"]["schemas"]
        self.assertEqual(self.seen["schemas"], list(schemas))
        self.assertEqual(self.seen["fields"], list(schemas["Event"]["properties"]))
        post = whole["paths"]["/v1/transactions"]["post"]
        self.assertEqual(self.seen["statuses"], list(post["responses"]))
        names = [each.name for each in api_examples.exchanges(whole)
                 if each.operation["operationId"] == post["operationId"]]
        self.assertEqual(self.seen["examples"], names)

    def test_it_asks_nobody_but_its_server_and_finds_no_error(self):
        self.assertEqual(self.seen["foreign"], [])
        self.assertEqual(self.seen["errors"], [])

    def test_it_sends_requests_and_shows_the_answers(self):
        self.assertEqual(self.seen["sent"]["status"], "201")
        self.assertEqual(json.loads(self.seen["sent"]["body"])["offset"], 0)
        self.assertEqual(self.seen["refused"]["status"], "422")
        self.assertIn("UnitPrice", self.seen["refused"]["body"])
        self.assertEqual(self.seen["health"]["status"], "200")

    def test_a_key_is_sent_when_given_and_kept_nowhere(self):
        self.assertEqual(self.seen["without_key"], [])
        self.assertEqual(self.seen["with_key"], ["/healthz"])
        self.assertEqual(self.seen["kept"], 0)

    def test_it_serves_keyboards_readers_the_dark_and_narrow_screens(self):
        self.assertEqual(self.seen["first_stop"], "To the content")
        self.assertEqual(self.seen["unnamed"], 0)
        self.assertEqual(self.seen["dark"], "rgb(16, 23, 28)")
        self.assertLessEqual(self.seen["overflow"], 0)

    def test_a_problem_has_a_page(self):
        self.assertEqual(self.seen["problem"][1:], ["What it means", "What to do"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
