"""What the fake HTTP servers share: connections that clients keep open, and no thread that outlives its test."""

import socket
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FakeServer(ThreadingHTTPServer):
    """On 127.0.0.1; 0 is any port."""

    # Waited for by server_close, so that no thread outlives its test.
    daemon_threads = False

    def __init__(self, handler: type["FakeHandler"], port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), handler)
        self.connections: set[socket.socket] = set()

    def hang_up(self) -> None:
        """Ends what clients keep open, since their threads would wait for the next request."""
        for connection in self.connections.copy():
            with suppress(OSError):  # ended by the client meanwhile
                connection.shutdown(socket.SHUT_RDWR)


class FakeHandler(BaseHTTPRequestHandler):
    """Keeps its connection, as real servers do, and says nothing of its requests."""

    server: FakeServer
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        with suppress(OSError):  # the client was quicker
            super().finish()

    def reply(self) -> None:
        """Answers one request."""
        raise NotImplementedError

    def do_GET(self) -> None:
        self.reply()

    def do_POST(self) -> None:
        self.reply()

    def do_PUT(self) -> None:
        self.reply()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Says nothing: the test's own asserts tell what went wrong."""
