"""A local HTTP server that answers as PVOutput does, in order and in all the ways in which it may fail.

What it holds and answers is in `pvoutput_service.py`, as are the marks [S], [L] and [?]. Here is what comes before:

- Key and id are the headers X-Pvoutput-Apikey and X-Pvoutput-SystemId. 401 for an id or a key that is missing or
  unknown, for a key that is off and for that of another system; 403 for a read-only key that writes; 405 for other
  methods than GET and POST [S]. The service takes both as parameters too [S]; here they are unknown, since whatever
  stands on the way would write them into its log.
- 60 requests an hour and key, 300 for donors. Only who sends `X-Rate-Limit: 1` is told what remains, on refusals too
  [S]. The hour begins on the hour [L: sigenergy2mqtt #90]. "Exceeded 60 requests per hour" [L: domoticz #5655] is
  "Exceeded number requests per hour" in [S]. What is refused for its key, or beyond the limit, uses nothing up [?].
- "Load in progress" with 400 is what IoTaWatt waits for; when the service says it [?].
"""

import socket
import ssl
import struct
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from enum import Enum, auto
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, urlsplit

from tests.fake_http import FakeHandler, FakeServer
from tests.pvoutput_forms import Refused, bad
from tests.pvoutput_service import PARAMETERS, USUAL, Output, Quirks, Service, Status, System

BASE = "/service/r2/"
HOUR_S = 3600
# For others and for donors.
REQUESTS_PER_HOUR = (60, 300)
FORM = "application/x-www-form-urlencoded"


class Fault(Enum):
    HANG = auto()  # nothing is taken, nothing answered
    HANG_UP = auto()  # nothing is taken, the connection is reset
    ERROR = auto()  # 500, nothing is taken
    LOADING = auto()  # 400 Load in progress, nothing is taken
    LOST = auto()  # taken, and the connection reset in place of the answer
    CUT = auto()  # taken, and reset in the middle of the answer
    SLOW = auto()  # taken, and answered after `slow_s`


@dataclass(frozen=True)
class Answer:
    """What goes over the wire. As a fault it is said by something that stands before the service."""

    status: int
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """What was asked, at what time by the given clock."""

    at_s: float
    method: str
    path: str
    parameters: Mapping[str, str]
    key: str
    system: str
    wants_rate: bool

    @property
    def service(self) -> str:
        return self.path.removeprefix(BASE)


class PVOutputServer:
    """Listens on 127.0.0.1 while it is used as a context manager. `clock` gives the seconds of the epoch.

    `breaches` counts what the specification does not allow, by the text of the answer or in words. Data that are only
    implausible, too old or of the night are no breach, nor are wrong keys; what the service said is in `answers`.
    `fault` is for every request while it is set; those in `faults` are for one each, and come first.
    """

    def __init__(
        self,
        systems: Iterable[System],
        clock: Callable[[], float],
        quirks: Quirks = USUAL,
        encryption: ssl.SSLContext | None = None,
    ) -> None:
        self.fault: Fault | Answer | None = None
        self.faults: deque[Fault | Answer | None] = deque()
        self.slow_s = 0.2
        self.requests: list[Request] = []
        self.answers: list[Answer] = []
        self.service = Service(systems, clock, quirks)
        # By key and hour, and those whose client knows that nothing remains.
        self._used: Counter[tuple[str, int]] = Counter()
        self._told: set[tuple[str, int]] = set()
        self._lock = threading.Lock()
        self._released = threading.Event()
        self._encryption = encryption
        self._servers: list[_Server] = []
        self._port = 0
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """What stands for `https://pvoutput.org/service/r2/`."""
        return f"{'https' if self._encryption else 'http'}://127.0.0.1:{self._port}{BASE}"

    @property
    def breaches(self) -> Counter[str]:
        return self.service.breaches

    def day(self, number: int, day: date) -> dict[str, Status]:
        """The statuses of one day by `hh:mm`, the earliest first, with the energy of the day so far."""
        with self._lock:
            return self.service.day(number, day)

    def days(self, number: int) -> list[date]:
        """The days of which there are statuses."""
        with self._lock:
            return sorted({moment.date() for moment in self.service.statuses[number]})

    def outputs(self, number: int) -> dict[date, Output]:
        """The outputs by day, the earliest first."""
        with self._lock:
            return dict(sorted(self.service.outputs[number].items()))

    def set_up(self, system: System) -> None:
        """The owner adds a system or changes its settings."""
        with self._lock:
            self.service.systems[system.number] = system

    def use_up(self, number: int) -> None:
        """Somebody else with the same key spends what remains of this hour's requests."""
        system = self.service.systems[number]
        with self._lock:
            self._used[system.key, int(self.service.clock()) // HOUR_S] = REQUESTS_PER_HOUR[system.donor]

    def listen(self) -> None:
        """Takes connections, at the same port as before if there was one."""
        server = _Server(self, self._port)
        self._port = server.server_port
        if self._encryption is not None:
            server.socket = self._encryption.wrap_socket(server.socket, server_side=True)
        self._servers.append(server)
        self._thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def refuse(self) -> None:
        """Ends all connections and takes no more of them, until `listen`."""
        assert self._thread is not None
        self._servers[-1].shutdown()
        self._thread.join()
        self._thread = None
        self._servers[-1].socket.close()
        self._servers[-1].hang_up()

    def __enter__(self) -> Self:
        self.listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._released.set()
        if self._thread is not None:
            self.refuse()
        for server in self._servers:
            server.server_close()

    def wait(self, seconds: float | None = None) -> None:
        """Ends early with the server."""
        self._released.wait(seconds)

    def arrived(self, request: Request) -> Fault | Answer | None:
        """What befalls this request."""
        with self._lock:
            self.requests.append(request)
            return self.faults.popleft() if self.faults else self.fault

    def answer(self, request: Request, fault: Fault | None) -> Answer:
        """What the service says, having taken what was sent."""
        with self._lock:
            try:
                status, text = 200, self._call(request, fault)
            except Refused as refused:
                status, text = refused.status, str(refused)
                if refused.is_breach:
                    self.breaches[text] += 1
            answer = Answer(status, text, self._rate(request, fault))
            self.answers.append(answer)
            return answer

    def _call(self, request: Request, fault: Fault | None) -> str:
        if not request.path.startswith(BASE) or request.service not in PARAMETERS:
            raise Refused(404, request.path, is_breach=True)
        if request.method not in {"GET", "POST"}:
            raise Refused(405, "POST or GET only", is_breach=True)
        system = self._known(request)
        self._spend(request, system)
        if fault is Fault.LOADING:
            raise bad("Load in progress")
        return self.service.call(request.service, system, request.parameters)

    def _known(self, request: Request) -> System:
        system = self.service.systems.get(int(request.system)) if request.system.isdecimal() else None
        keys = {key for one in self.service.systems.values() for key in (one.key, one.read_only_key) if key}
        if system is None:
            raise Refused(401, "Invalid System ID")
        if request.key not in keys:
            raise Refused(401, "Invalid API Key")
        if not system.enabled:
            raise Refused(401, "Disabled API Key")
        if request.key not in {system.key, system.read_only_key}:
            raise Refused(401, "Missing, invalid or inactive api key information (X-Pvoutput-Apikey)")
        if request.key == system.read_only_key and not request.service.startswith("get"):
            raise Refused(403, "Read only key")
        return system

    def _spend(self, request: Request, system: System) -> None:
        spent, limit = (request.key, int(request.at_s) // HOUR_S), REQUESTS_PER_HOUR[system.donor]
        if spent in self._told:
            self.breaches["a request though none remained"] += 1
        if self._used[spent] >= limit:
            number = "number" if self.service.quirks.says_number else limit
            raise Refused(403, f"Exceeded {number} requests per hour")
        self._used[spent] += 1

    def _rate(self, request: Request, fault: Fault | None) -> dict[str, str]:
        """The headers that tell what remains, to who asks for them and is known."""
        system = self.service.systems.get(int(request.system)) if request.system.isdecimal() else None
        if not request.wants_rate or system is None or request.key not in {system.key, system.read_only_key}:
            return {}
        hour, limit = int(request.at_s) // HOUR_S, REQUESTS_PER_HOUR[system.donor]
        remaining = limit - self._used[request.key, hour]
        if remaining == 0 and fault not in {Fault.LOST, Fault.CUT, Fault.SLOW}:
            self._told.add((request.key, hour))
        return {
            "X-Rate-Limit-Remaining": str(remaining),
            "X-Rate-Limit-Limit": str(limit),
            "X-Rate-Limit-Reset": str((hour + 1) * HOUR_S),
        }


class _Server(FakeServer):
    def __init__(self, pvoutput: PVOutputServer, port: int) -> None:
        super().__init__(_Handler, port)
        self.pvoutput = pvoutput


class _Handler(FakeHandler):
    server: _Server
    # Or each answer, whose head and body are written one after the other, would take 40 ms.
    disable_nagle_algorithm = True

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(self.server.pvoutput.service.clock() if timestamp is None else timestamp)

    def reply(self) -> None:
        pvoutput, request = self.server.pvoutput, self._request()
        fault = pvoutput.arrived(request)
        if fault is Fault.HANG:
            pvoutput.wait()
        if fault is Fault.HANG or fault is Fault.HANG_UP:
            self._reset()
            return
        if fault is Fault.ERROR:
            fault = Answer(500, "<html><body><h1>HTTP Status 500</h1></body></html>")
        answer = fault if isinstance(fault, Answer) else pvoutput.answer(request, fault)
        if fault is Fault.SLOW:
            pvoutput.wait(pvoutput.slow_s)
        if fault is Fault.LOST:
            self._reset()
            return
        with suppress(OSError):  # the client did not wait for it
            body = answer.text.encode()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "text/plain;charset=UTF-8" if body[:1] != b"<" else "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if fault is Fault.CUT else body)
        if fault is Fault.CUT:
            self._reset()

    def _request(self) -> Request:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        given = parse_qsl(parts.query, keep_blank_values=True)
        if self.headers.get("Content-Type", "").partition(";")[0].strip() == FORM:
            given += parse_qsl(body.decode(errors="replace"), keep_blank_values=True)
        key, system = self.headers.get("X-Pvoutput-Apikey", ""), self.headers.get("X-Pvoutput-SystemId", "")
        wants_rate = self.headers.get("X-Rate-Limit", "") == "1"
        clock = self.server.pvoutput.service.clock
        return Request(clock(), self.command, parts.path, dict(given), key, system, wants_rate)

    def _reset(self) -> None:
        """Lets the client see a reset, by throwing away what is not sent yet."""
        self.close_connection = True
        with suppress(OSError):  # the client was quicker
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
