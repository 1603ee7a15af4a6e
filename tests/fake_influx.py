"""A local HTTP server that answers as an InfluxDB would in one fault, for what no real one can be brought to do.

Every request gets the same scripted answer, save those that a test gives an answer of their own by their path. A fresh
fake is a healthy InfluxDB with all buckets there: it passes `/health` and says 204 to the rest.
"""

import json
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

from tests.fake_http import FakeHandler, FakeServer

HEALTHY = {"name": "influxdb", "message": "ready for queries and writes", "status": "pass", "version": "v2.9.1"}


@dataclass(frozen=True)
class Answer:
    """What goes over the wire: an HTTP answer, nothing for ever (`hang`), or the connection's end (`hang_up`)."""

    status: int = 204
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    hang: bool = False
    hang_up: bool = False


@dataclass(frozen=True)
class Request:
    """What the fake was asked."""

    method: str
    path: str
    query: Mapping[str, str]
    token: str
    body: bytes


def error(status: int, message: str, headers: Mapping[str, str] | None = None, code: str = "some code") -> Answer:
    """An error in the form that InfluxDB gives its errors."""
    return json_answer(status, {"code": code, "message": message}, headers)


def json_answer(status: int, content: object, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer of JSON."""
    return Answer(status, json.dumps(content).encode(), {"Content-Type": "application/json", **(headers or {})})


def page(status: int, text: str = "<html><body>Please sign in.</body></html>") -> Answer:
    """An answer by something that is no InfluxDB."""
    return Answer(status, text.encode("latin-1"), {"Content-Type": "text/html"})


class FakeInflux:
    """Listens on 127.0.0.1 while it is used as a context manager, which ends no sooner than its last thread; encrypted
    if it is given a context for that.
    """

    def __init__(self, answer: Answer = Answer(), encryption: ssl.SSLContext | None = None) -> None:
        self.answer = answer
        self.answers = {"/health": json_answer(200, HEALTHY)}
        self.requests: list[Request] = []
        self.disconnected = threading.Event()
        self._released = threading.Event()
        self._scheme = "http" if encryption is None else "https"
        self._server = _Server(self)
        if encryption is not None:
            self._server.socket = encryption.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    @property
    def writes(self) -> list[bytes]:
        """The bodies of the writes that had lines in them."""
        return [request.body for request in self.requests if request.path == "/api/v2/write" and request.body.strip()]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.hang_up()
        self._server.server_close()

    def hold(self) -> None:
        """Waits for the end of the fake, as a server does that never answers."""
        self._released.wait()


class _Server(FakeServer):
    def __init__(self, fake: FakeInflux) -> None:
        super().__init__(_Handler)
        self.fake = fake


class _Handler(FakeHandler):
    server: _Server

    def finish(self) -> None:
        self.server.fake.disconnected.set()
        super().finish()

    def reply(self) -> None:
        fake = self.server.fake
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        token = self.headers.get("Authorization", "").removeprefix("Token ")
        fake.requests.append(Request(self.command, parts.path, query, token, body))

        answer = fake.answers.get(parts.path, fake.answer)
        if answer.hang:
            fake.hold()
        if answer.hang or answer.hang_up:
            self.close_connection = True
            with suppress(OSError):  # the client was quicker
                self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)
