"""HTTP by hand: what no client library would send."""

import socket
from typing import NamedTuple

TCP_ESTABLISHED = 1  # netinet/tcp.h; the first byte of TCP_INFO


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
    return read_one(connection, b"", head_only)[0]


def read_one(connection, received, head_only=False):
    """(the answer, what came after it), when `received` has been read before."""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65536)
        if not piece:
            return None, b""
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
    end = length if length else len(body)
    return Answer(int(first.split()[1]), headers, body[:end]), body[end:]


class Wire:
    """One connection."""

    def __init__(self, port, timeout_s=20):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout_s)
        self._received = b""  # after the last answer

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
            answer, self._received = read_one(self.socket, self._received, head_only)
            return answer
        except ConnectionResetError:
            return None

    def shows_its_end(self):
        """Whether the server's end of the connection has come, read or not."""
        state = self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
        return state != TCP_ESTABLISHED

    def is_closed(self):
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
