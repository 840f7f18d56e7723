"""A line to a service that goes bad when it is told to: answers 503, or is cut half way."""

import socket
import threading

BUSY = (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n"
        b"x-ms-error-code: ServerBusy\r\nConnection: close\r\n\r\n")
CUT_AFTER = 300  # bytes of what comes back


class BadProxy:
    """TCP from a port of its own to `port`. `mode`: pass, busy (503 to whatever is asked) or cut
    (the answer's first bytes, then the end of both connections). Existing connections end when the
    mode changes."""

    def __init__(self, port):
        self._target, self.mode, self.disturbed = port, "pass", 0
        self._open = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.close()
        self.change("pass")

    def change(self, mode):
        self.mode = mode
        with self._lock:
            ended, self._open = self._open, set()
        for each in ended:
            hang_up(each)

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        if self.mode == "busy":
            self._refuse(client)
            return
        try:
            server = socket.create_connection(("127.0.0.1", self._target), 10)
        except OSError:
            hang_up(client)
            client.close()
            return
        with self._lock:
            self._open |= {client, server}
        there = threading.Thread(target=move, args=(client, server), daemon=True)
        there.start()
        cut = self.mode == "cut"
        self.disturbed += cut
        move(server, client, CUT_AFTER if cut else None)
        hang_up(client)
        there.join()
        with self._lock:
            self._open -= {client, server}
        client.close()
        server.close()

    def _refuse(self, client):
        self.disturbed += 1
        try:
            client.settimeout(5)
            client.recv(65536)
            client.sendall(BUSY)
        except OSError:
            pass
        hang_up(client)
        client.close()


def move(source, target, limit=None):
    """Until the source ends, or `limit` bytes have gone; then the target's end is told."""
    moved = 0
    try:
        while limit is None or moved < limit:
            piece = source.recv(65536 if limit is None else limit - moved)
            if not piece:
                break
            target.sendall(piece)
            moved += len(piece)
    except OSError:
        pass
    hang_up(target)


def hang_up(connection):
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
