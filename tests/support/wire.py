"""HTTP by hand: what no client library would send."""

import socket
from typing import NamedTuple


class Answer(NamedTuple):
    status: int
    headers: dict
    body: bytes


def head_of(request_line, headers):
    """Request line and headers; a header whose value is None is left out, a list is repeated."""
    lines = [request_line]
    for name, value in headers.items():
        for each in value if isinstance(value, list) else [value]:
            if each is not None:
                lines.append(f"{name}: {each}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def read_answer(connection, head_only=False):
    """One answer; None when the connection ends before there is one. To HEAD there is no body."""
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65536)
        if not piece:
            return None
        received += piece
    head, body = received.split(b"\r\n\r\n", 1)
    first, *fields = head.decode("latin-1").split("\r\n")
    headers = {}
    for field in fields:
        name, value = field.split(":", 1)
        headers[name.lower()] = value.strip()
    length = 0 if head_only else int(headers.get("content-length", 0))
    while len(body) < length:
        piece = connection.recv(65536)
        if not piece:
            break
        body += piece
    return Answer(int(first.split()[1]), headers, body)


class Wire:
    """One connection."""

    def __init__(self, port, timeout_s=20):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout_s)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        """All of it, or as much as is wanted: who refuses a body early need not read it."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def hang_up(self):
        self.socket.shutdown(socket.SHUT_WR)

    def answer(self, head_only=False):
        try:
            return read_answer(self.socket, head_only)
        except ConnectionResetError:
            return None

    def is_closed(self):
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
