"""Keys, TLS and what log lines hold, on the real program from outside."""

import base64
import http.client
import json
import ssl
import subprocess
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

from sandbox import Sandbox
from tillrace import Up, run, wait_until

EVENT = {"InvoiceNo": "910000", "StockCode": "22423", "Quantity": 1, "UnitPrice": "1.25",
         "InvoiceDate": "2011-05-05 10:00:00", "Country": "France", "LineNo": 1,
         "CustomerID": "77123", "Description": "A PRIVATE THING"}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def make_certificate(box, name):
    """A self-signed certificate for 127.0.0.1: (its file, its key's file)."""
    certificate, key = box.path(f"{name}.pem"), box.path(f"{name}.key")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext",
         "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True)
    return certificate, key


class Secured(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.box = Sandbox()
        cls.addClassCleanup(cls.box.close)
        cls.certificate, cls.key_file = make_certificate(cls.box, "first")
        cls.up = Up(cls.box, "secured", role="gateway", flags=["--log-level", "debug"], env={
            "TILLRACE_AUTH__REQUIRED": "true", "TILLRACE_HTTP__TLS_CERTIFICATE": cls.certificate,
            "TILLRACE_HTTP__TLS_KEY": cls.key_file})
        cls.addClassCleanup(cls.up.kill)
        cls.sender = cls.create_key("till", "ingest")
        cls.reader = cls.create_key("prometheus", "read")
        cls.up.start()

    @classmethod
    def create_key(cls, name, scope):
        answer = cls.up.run("keys", "create", name, "--scope", scope)
        return answer.out.strip()

    def request(self, method, path, body=None, key=None, headers=None):
        trust = ssl.create_default_context(cafile=self.certificate)
        connection = http.client.HTTPSConnection("127.0.0.1", self.up.port, context=trust,
                                                 timeout=20)
        sent = {"Content-Type": "application/json", **(headers or {})}
        if key:
            sent["Authorization"] = f"Bearer {key}"
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text, answer.headers

    def post(self, key=None, headers=None):
        return self.request("POST", "/v1/transactions", json.dumps(EVENT), key, headers)

    def test_only_a_key_with_the_scope_may_send(self):
        status, text, headers = self.post()
        self.assertEqual((status, headers["WWW-Authenticate"].split()[0]), (401, "Bearer"))
        self.assertIn("/problems/unauthorized", text)
        self.assertEqual(self.post(self.sender[:-1])[0], 401)
        status, text, _ = self.post(self.reader)
        self.assertEqual(status, 403)
        self.assertIn("ingest", text)
        self.assertEqual(self.post(self.sender)[0], 201)
        self.assertEqual(self.post(headers={"X-API-Key": self.sender})[0], 201)

    def test_metrics_want_a_reader_and_health_wants_nobody(self):
        self.assertEqual(self.request("GET", "/metrics")[0], 401)
        self.assertEqual(self.request("GET", "/metrics", key=self.sender)[0], 403)
        self.assertEqual(self.request("GET", "/metrics", key=self.reader)[0], 200)
        for path in ("/healthz", "/readyz", "/openapi.json", "/docs"):
            self.assertEqual(self.request("GET", path)[0], 200, path)

    def test_a_revoked_key_is_refused_by_the_running_server(self):
        key = self.create_key("short-lived", "ingest")
        # Each attempt before is a bad credential, of which an address has 20 a minute.
        wait_until(lambda: self.post(key)[0] == 201, 5, "the new key works", pause_s=0.5)
        self.up.run("keys", "revoke", key.removeprefix("tr_").split("_")[0])
        wait_until(lambda: self.post(key)[0] == 401, 5, "the revoked key is refused")

    def test_plain_http_is_told_to_use_tls(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.up.port, timeout=10)
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        self.assertEqual(answer.status, 400)
        self.assertIn("https", answer.read().decode())

    def test_answers_carry_the_callers_trace_and_safe_headers(self):
        _, _, headers = self.post(self.sender, {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})
        self.assertEqual(headers["X-Request-Id"], TRACE)
        self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
        self.assertIn("max-age", headers["Strict-Transport-Security"])
        self.assertNotIn("Access-Control-Allow-Origin", headers)

    def test_the_programs_own_client_shows_its_key(self):
        events = self.box.path("events.ndjson")
        Path(events).write_text(json.dumps(EVENT) + "\n", encoding="utf-8")
        flags = ("--url", self.up.url, "--ca-file", self.certificate, "--json")
        sent = self.up.run("post", events, *flags, "--key", self.sender)
        self.assertEqual(sent.json()["accepted"], 1)
        refused = self.up.run("post", events, *flags, expect=None)
        self.assertNotEqual(refused.code, 0)
        self.assertIn("401", refused.out + refused.err)

    def test_a_renewed_certificate_is_served_after_sighup_and_a_broken_one_is_not(self):
        second, second_key = make_certificate(self.box, "second")
        before = ssl.get_server_certificate(("127.0.0.1", self.up.port))
        Path(self.certificate).write_text("no certificate", encoding="utf-8")
        self.up.process.send_signal(1)
        wait_until(lambda: "the certificate stays as it was" in self.up.said(), 10, "the refusal")
        self.assertEqual(ssl.get_server_certificate(("127.0.0.1", self.up.port)), before)
        Path(self.certificate).write_bytes(Path(second).read_bytes())
        Path(self.key_file).write_bytes(Path(second_key).read_bytes())
        self.up.process.send_signal(1)
        wait_until(lambda: ssl.get_server_certificate(("127.0.0.1", self.up.port)) != before,
                   10, "the new certificate")

    def test_no_log_line_holds_a_secret_or_a_personal_field(self):
        self.post(self.sender)
        self.post("tr_not_a_key_at_all")
        time.sleep(0.2)
        said = self.up.said()
        self.assertIn("request_id=", said)
        for secret in (self.sender, self.sender.split("_")[-1], EVENT["CustomerID"],
                       EVENT["Description"], "not_a_key_at_all"):
            self.assertNotIn(secret, said)


class Exposed(unittest.TestCase):
    def test_beyond_this_machine_it_wants_keys_and_tls_and_says_why(self):
        with Sandbox() as box:
            certificate, key = make_certificate(box, "one")
            tls = ("--tls-certificate", certificate, "--tls-key", key)
            for flags, lacking in (((), "keys and TLS"), (("--require-keys",), "TLS"),
                                   (tls, "keys")):
                answer = run(box, "gateway", "--listen", "0.0.0.0:0", *flags, expect=2)
                self.assertIn(f"without {lacking} anybody", answer.err)
                self.assertIn("--insecure", answer.err)

    def test_it_listens_everywhere_when_it_is_told_so_or_is_safe(self):
        with Sandbox() as box:
            certificate, key = make_certificate(box, "one")
            for number, flags in enumerate((
                    ["--insecure"],
                    ["--require-keys", "--tls-certificate", certificate, "--tls-key", key])):
                with Up(box, f"open-{number}", "0.0.0.0:0", flags, role="gateway") as up:
                    up.launch()
                    wait_until(lambda up=up: "ready after" in up.said(), 30, "it listens")


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*arguments, stdin=b""):
    return subprocess.run(["openssl", *arguments], input=stdin, check=True,
                          capture_output=True).stdout


def raw_signature(der):
    """r and s, 32 bytes each, of an ECDSA signature as OpenSSL writes it (SEQUENCE of INTEGERs)."""
    r_length = der[3]
    r, s = der[4:4 + r_length], der[6 + r_length:]
    return b"".join(int.from_bytes(each, "big").to_bytes(32, "big") for each in (r, s))


class Tokens(unittest.TestCase):
    """Tokens of an identity provider, made by OpenSSL."""

    ISSUER, AUDIENCE = "https://login.shop.test/", "tillrace"

    @classmethod
    def setUpClass(cls):
        cls.box = Sandbox()
        cls.addClassCleanup(cls.box.close)
        cls.rsa, cls.ec = cls.box.path("rsa.key"), cls.box.path("ec.key")
        openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", cls.rsa)
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out",
                cls.ec)
        modulus = openssl("rsa", "-in", cls.rsa, "-modulus", "-noout").decode().split("=")[1]
        point = openssl("pkey", "-in", cls.ec, "-pubout", "-outform", "DER")[-64:]
        keys = [{"kty": "RSA", "kid": "r1", "use": "sig", "e": "AQAB",
                 "n": base64url(bytes.fromhex(modulus.strip()))},
                {"kty": "EC", "kid": "e1", "crv": "P-256", "x": base64url(point[:32]),
                 "y": base64url(point[32:])}]
        jwks = Path(cls.box.path("jwks.json"))
        jwks.write_text(json.dumps({"keys": keys}), encoding="utf-8")
        cls.up = Up(cls.box, "tokens", role="gateway", flags=["--log-level", "debug"], env={
            "TILLRACE_AUTH__REQUIRED": "true", "TILLRACE_AUTH__JWKS": str(jwks),
            "TILLRACE_AUTH__ISSUER": cls.ISSUER, "TILLRACE_AUTH__AUDIENCE": cls.AUDIENCE})
        cls.addClassCleanup(cls.up.kill)
        cls.up.start()

    def token(self, head=None, **claims):
        head = {"alg": "RS256", "kid": "r1"} | (head or {})
        claims = {"iss": self.ISSUER, "aud": self.AUDIENCE, "exp": int(time.time()) + 60,
                  "sub": "till-7", "scope": "ingest"} | claims
        said = ".".join(base64url(json.dumps(each).encode()) for each in (head, claims))
        if head["alg"] == "none":
            return said + "."
        key = self.ec if head["alg"] == "ES256" else self.rsa
        signature = openssl("dgst", "-sha256", "-sign", key, stdin=said.encode())
        if head["alg"] == "ES256":
            signature = raw_signature(signature)
        return f"{said}.{base64url(signature)}"

    def post(self, token):
        connection = http.client.HTTPConnection("127.0.0.1", self.up.port, timeout=20)
        connection.request("POST", "/v1/transactions", json.dumps(EVENT), {
            "Content-Type": "application/json", "Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    def test_both_kinds_of_signature_are_believed(self):
        self.assertEqual(self.post(self.token())[0], 201)
        self.assertEqual(self.post(self.token({"alg": "ES256", "kid": "e1"}))[0], 201)

    def test_a_token_without_the_scope_may_not_send(self):
        self.assertEqual(self.post(self.token(scope="read"))[0], 403)

    def test_a_token_that_is_not_meant_for_this_program_or_not_now_is_refused(self):
        wrong = {"issuer": self.token(iss="https://elsewhere.test/"),
                 "audience": self.token(aud="another"),
                 "expired": self.token(exp=int(time.time()) - 3_600),
                 "not yet": self.token(nbf=int(time.time()) + 3_600)}
        for name, token in wrong.items():
            with self.subTest(name):
                self.assertEqual(self.post(token)[0], 401)

    def test_a_token_that_nobody_signed_is_refused(self):
        head, claims, signature = self.token().split(".")
        admin = base64url(json.dumps({
            "iss": self.ISSUER, "aud": self.AUDIENCE, "exp": int(time.time()) + 60,
            "sub": "till-7", "scope": "admin"}).encode())
        wrong = {"no algorithm": self.token({"alg": "none"}),
                 "another key's name": self.token({"kid": "e1"}),
                 "an unknown key": self.token({"kid": "r2"}),
                 "other claims": f"{head}.{admin}.{signature}",
                 "a cut signature": f"{head}.{claims}.{signature[:-4]}"}
        for name, token in wrong.items():
            with self.subTest(name):
                self.assertEqual(self.post(token)[0], 401)
        self.assertNotIn(signature, self.up.said())


class ClientCertificates(unittest.TestCase):
    """Mutual TLS: clients show a certificate too."""

    @classmethod
    def setUpClass(cls):
        cls.box = Sandbox()
        cls.addClassCleanup(cls.box.close)
        cls.server, server_key = make_certificate(cls.box, "server")
        cls.client = make_certificate(cls.box, "client")  # its own authority
        cls.stranger = make_certificate(cls.box, "stranger")
        cls.up = Up(cls.box, "mutual", role="gateway", env={
            "TILLRACE_HTTP__TLS_CERTIFICATE": cls.server, "TILLRACE_HTTP__TLS_KEY": server_key,
            "TILLRACE_HTTP__TLS_CLIENT_CA": cls.client[0],
            "TILLRACE_CLIENT__CERTIFICATE": cls.client[0],
            "TILLRACE_CLIENT__CERTIFICATE_KEY": cls.client[1]})
        cls.addClassCleanup(cls.up.kill)
        cls.up.start()

    def post(self, certificate=None):
        trust = ssl.create_default_context(cafile=self.server)
        if certificate:
            trust.load_cert_chain(*certificate)
        connection = http.client.HTTPSConnection("127.0.0.1", self.up.port, context=trust,
                                                 timeout=20)
        self.addCleanup(connection.close)
        connection.request("POST", "/v1/transactions", json.dumps(EVENT),
                           {"Content-Type": "application/json"})
        return connection.getresponse().status

    def test_a_client_with_a_known_certificate_is_served(self):
        self.assertEqual(self.post(self.client), 201)

    def test_a_client_without_one_or_with_a_strangers_is_not(self):
        for certificate in (None, self.stranger):
            with self.assertRaises((ssl.SSLError, http.client.HTTPException, OSError)):
                self.post(certificate)


if __name__ == "__main__":
    unittest.main(verbosity=2)
