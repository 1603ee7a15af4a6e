"""The service: opens the journal, nests the nurseries, waits for a signal.

The order of death is the nesting, from the inside out: listeners stop accepting; connections get GRACE_S to finish what
they hold; delivery, reports and the heartbeat end last. Cut off at any instant, the worst case is a record that comes
twice.
"""

import contextlib
import errno
import gc
import logging
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import trio

from collector import __version__
from collector.accept import accept_announced
from collector.admission import Admission
from collector.backlog import Backlog
from collector.boards.write import configured_names, write_roof
from collector.clock import Skew
from collector.config import Config
from collector.delivery import Delivery
from collector.errors import JournalError, StartError
from collector.file_limit import raise_file_limit, room_for_connections
from collector.intake import Intake
from collector.journal import NAMES_STATE, RUN_STATE, Arrival, Journal
from collector.lock import IN_ITS_PLACE, RUN, START, Taken, locked
from collector.metrics import Endpoint, Health
from collector.names import Names, announced
from collector.points import clock_event, unknown_device_event
from collector.report import Figures, Place, disk_free_bytes, report_point
from collector.server import Server
from collector.shared_inverters import SharedInverters
from collector.status import NAMES_CHANGED, unfinished
from collector.supervision import Supervisor
from collector.values import is_every_ipv6
from collector.watch import ClockWatch, FirstRecords, NewcomerWatch
from collector.writer import Writer

_log = logging.getLogger(__name__)

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
GRACE_S = 3.0
# A command looks for a service that starts several times a second, and breaks off what is under way.
HAND_OVER_S = 15.0
HEARTBEAT_S = 10.0
REPORT_S = 60.0
PURGE_S = 3600.0
SHARED_S = 900.0


class Service:
    """One running collector.

    Raises JournalError or StartError before anything was accepted; afterwards nothing but a bug ends it other than
    `stop`.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._names = Names(config)
        self._welcome = announced(config)
        self._journal = Journal(config.journal.path, self._welcome)
        self._limiter = trio.CapacityLimiter(1)
        self._backlog = Backlog(self._journal, self._limiter)
        self._admission = Admission(config.listen.max_connections, config.listen.max_connections_per_address)
        self._supervisor = Supervisor()
        self._newcomers = NewcomerWatch(self._warn_of_newcomers)
        self._delivery = (
            Delivery(config.influxdb, self._names, self._backlog, self._welcome, self._newcomers.inverters_wait)
            if config.influxdb
            else None
        )
        self._writer = self._delivery.writer if self._delivery else None
        self._first = FirstRecords()
        self._clocks = ClockWatch(self._names, self._warn_of_clock)
        self._metrics_listeners: list[trio.SocketListener] = []
        self._stopping = trio.Event()
        self._started_at = time.time_ns()

    def stop(self) -> None:
        """Begin an orderly end; may be called at any time."""
        self._stopping.set()

    async def run(self, *, task_status: trio.TaskStatus[list[int]] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until `stop`, SIGTERM or SIGINT. Started, with their numbers in order, once every port is open."""
        self._fit_connections(raise_file_limit())
        # What was imported lives for ever; without this the garbage collector goes through all of it again and again.
        gc.freeze()
        # From the first to the last line, so that neither an early signal nor a second one cuts the work short.
        with trio.open_signal_receiver(*STOP_SIGNALS) as signals, self._alone():
            try:
                await trio.to_thread.run_sync(self._journal.open, limiter=self._limiter)
                listeners = await _open_listeners(self._config.listen.host, self._ports())
                metrics = self._config.metrics
                scraped = [] if metrics.port is None else [(metrics.port, "metrics")]
                self._metrics_listeners = await _open_listeners((metrics.host,), scraped)
                # What is there is of a service before, which may have worked with other names.
                await self._put_run_state(self._sign_of_life())
                await self._note_names()
                await self._serve(listeners, signals, task_status)
                await self._say_goodbye()
            finally:
                with trio.CancelScope(shield=True):
                    await self._backlog.close()
                if self._delivery:
                    self._delivery.close()
            _log.info("stopped")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """A second collector would sign itself off in the name of the first, and deliver what that one delivers."""
        journal = self._config.journal.path
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(self._lock(journal))
            except Taken as exc:
                raise StartError(
                    f"a collector runs on {journal} already ({exc.holder}): stop that one, or give this one a journal"
                    " of its own"
                ) from exc
            yield

    @staticmethod
    def _lock(journal: Path) -> contextlib.ExitStack[bool | None]:
        """The lock of whoever delivers. A command that works in the service's place hands it over, another service
        does not.
        """
        stack = contextlib.ExitStack[bool | None]()
        try:
            # A command may have just looked whether it is free, or not noted yet that it works in this place.
            stack.enter_context(locked(journal, RUN, patience_s=0.2))
        except Taken as exc:
            if IN_ITS_PLACE not in exc.holder:
                raise
            _log.info("waiting until a command hands over the journal holder=%s", exc.holder)
            with locked(journal, START, patience_s=1.0):
                stack.enter_context(locked(journal, RUN, patience_s=HAND_OVER_S))
        return stack

    def _fit_connections(self, files: int) -> None:
        """A connection beyond the files that may be open could not be accepted, whoever would have to make room."""
        wanted, room = self._admission.total, room_for_connections(files)
        if room < wanted:
            self._admission.total = room
            _log.warning(
                "fewer connections than configured max_connections=%d possible=%d file_limit=%d: allow this process"
                " more open files (ulimit -n, LimitNOFILE of systemd), or lower [listen] max_connections",
                wanted,
                room,
                files,
            )

    def _ports(self) -> list[tuple[int, str]]:
        listen = self._config.listen
        return [*((port, "data") for port in listen.data_ports), (listen.control_port, "control")]

    async def _serve(
        self,
        listeners: list[trio.SocketListener],
        signals: AsyncIterator[int],
        task_status: trio.TaskStatus[list[int]],
    ) -> None:
        async with trio.open_nursery() as background:
            intake = Intake(self._journal, self._limiter, background)
            server = Server(intake, self._backlog, self._admission, on_stored=self._on_stored)
            background.start_soon(_stop_on_signal, signals, self._stopping)
            self._start_supervised(background, intake, server)
            async with trio.open_nursery() as connections:
                async with trio.open_nursery() as accepting:
                    accepting.start_soon(
                        partial(trio.serve_listeners, _handler(server), listeners, handler_nursery=connections)
                    )
                    task_status.started([listener.socket.getsockname()[1] for listener in listeners])
                    await self._stopping.wait()
                    accepting.cancel_scope.cancel()
                connections.cancel_scope.deadline = trio.current_time() + GRACE_S
            background.cancel_scope.cancel()

    def _start_supervised(self, background: trio.Nursery, intake: Intake, server: Server) -> None:
        """All that gateways can do without: whatever becomes of it, they get their answers."""
        supervised: dict[str, Callable[[], Awaitable[object]]] = {
            "the sign of life": partial(self._beat, intake, server),
            "the board of the roof": partial(trio.to_thread.run_sync, self._write_roof, abandon_on_cancel=True),
            "what the configuration names": partial(
                trio.to_thread.run_sync, self._accept_announced, abandon_on_cancel=True
            ),
        }
        if self._delivery and self._writer:
            background.start_soon(self._delivery.run, self._supervisor)
            supervised["the collector's report"] = partial(self._report, self._writer, server)
            supervised["the purge of old records"] = self._purge
            supervised["the search for inverters of two gateways"] = self._look_for_shared_inverters
        for name, task in supervised.items():
            background.start_soon(self._supervisor.run, name, task)
        if self._metrics_listeners:
            endpoint = Endpoint(partial(self._figures, self._writer, server), partial(self._health, intake))

            async def answer(stream: trio.SocketStream) -> None:
                with self._supervisor.contained("the metrics"):
                    await endpoint.handle(stream)

            background.start_soon(trio.serve_listeners, answer, self._metrics_listeners)

    def _on_stored(self, arrival: Arrival) -> None:
        if self._journal.gateways.waits(arrival.message.ecu):
            with self._supervisor.contained("the watch over gateways"):
                self._newcomers.gateway_waits(arrival.message.ecu, arrival.received_at)
            return
        if self._writer:
            self._writer.wake()
        with self._supervisor.contained("the watch over gateways"):
            self._first.observe(arrival)
            self._clocks.observe(arrival)

    def _warn_of_clock(self, ecu: str, at: int, skew: Skew) -> None:
        if self._writer:
            self._writer.offer(clock_event(ecu, at, skew))

    def _warn_of_newcomers(self, ecu: str, at: int, text: str) -> None:
        if self._writer:
            self._writer.offer(unknown_device_event(ecu, at, text))

    async def _note_names(self) -> None:
        """A changed name forks its series from now on, which only a replay mends."""
        if self._delivery is None:
            return
        now = self._names.fingerprint()
        before = (await self._backlog.state(NAMES_STATE)).get("fingerprint")
        if before is None or self._names.has_written(before):
            await self._backlog.put_state(NAMES_STATE, {"fingerprint": now})
        else:
            _log.warning("%s", NAMES_CHANGED)

    def _write_roof(self) -> None:
        folder = self._config.grafana.boards
        if folder is None:
            return
        try:
            write_roof(folder, self._config.inverter, configured_names(self._config))
        except OSError as exc:
            _log.warning(
                "the board of the roof was not written folder=%s reason=%s: [grafana] boards wants a folder that this"
                " user can write to",
                folder,
                exc.strerror or exc,
            )

    def _accept_announced(self) -> None:
        try:
            accept_announced(self._config.journal.path, self._welcome)
        except JournalError as exc:
            _log.warning("what the configuration names may still wait to be accepted reason=%s", exc)

    async def _beat(self, intake: Intake, server: Server) -> None:
        while True:
            await self._put_run_state(self._run_state(intake, server))
            await trio.sleep(HEARTBEAT_S)

    def _run_state(self, intake: Intake, server: Server) -> dict[str, object]:
        sink = self._writer.health if self._writer else None
        return {
            **self._sign_of_life(),
            "received": server.counters.received,
            "acknowledged": server.counters.acknowledged,
            "refused": server.counters.refused,
            "connections": server.counters.connections,
            "evicted": self._admission.evicted,
            "journal_error": intake.health.error,
            "journal_error_since": intake.health.since,
            "unanswered": intake.health.unanswered,
            "influxdb_error": sink.error if sink else None,
            "influxdb_error_since": sink.since if sink else 0,
            "rollup_error": self._delivery.rollup_loop.error if self._delivery else None,
            "names": self._names.fingerprint() if self._delivery else None,
            "failures": self._supervisor.problems,
            "fsync_s": self._journal.fsync_s,
        }

    def _sign_of_life(self) -> dict[str, object]:
        return {"version": __version__, "started_at": self._started_at, "beat_at": time.time_ns()}

    async def _say_goodbye(self) -> None:
        await self._put_run_state(
            {"version": __version__, "started_at": self._started_at, "stopped_at": time.time_ns()}
        )

    async def _put_run_state(self, state: dict[str, object]) -> None:
        try:
            await self._backlog.put_state(RUN_STATE, state)
        except JournalError as exc:
            # `status` sees that the sign of life is missing, which says the same.
            _log.debug("no heartbeat reason=%s", exc)

    async def _report(self, writer: Writer, server: Server) -> None:
        site = self._config.site
        place = None
        if site.latitude is not None and site.longitude is not None:
            place = Place(site.latitude, site.longitude)
        while True:
            try:
                figures = await self._figures(writer, server)
            except JournalError as exc:
                _log.debug("no report reason=%s", exc)
            else:
                instance, now = self._config.collector.instance, time.time_ns()
                writer.offer(report_point(instance, now, figures, place, self._names.replaced(now)))
            await trio.sleep(REPORT_S)

    async def _figures(self, writer: Writer | None, server: Server) -> Figures:
        pending, set_aside, journal_bytes = await self._backlog.counts()
        return Figures(
            records_received=server.counters.received,
            records_acknowledged=server.counters.acknowledged,
            records_pending=pending,
            records_set_aside=set_aside,
            write_errors=writer.health.write_errors if writer else 0,
            connections=server.counters.connections,
            journal_bytes=journal_bytes,
            disk_free_bytes=disk_free_bytes(self._config.journal.path),
            fsync_s=self._journal.fsync_s,
        )

    async def _health(self, intake: Intake) -> Health:
        sink = self._writer.health if self._writer else None
        problems = []
        if intake.health.error:
            problems.append(f"gateways get no answer: {intake.health.error}")
        if sink and sink.error:
            problems.append(f"InfluxDB unavailable: {sink.error}")
        if sink and sink.foreign:
            problems.append(sink.foreign)
        problems += self._supervisor.problems
        if self._delivery:
            # That the journal can't be read is told above.
            with contextlib.suppress(JournalError):
                problems += unfinished(await self._backlog.open_jobs())
        return Health(storing=intake.health.error is None, problems=problems)

    async def _look_for_shared_inverters(self) -> None:
        shared = SharedInverters()
        while True:
            await trio.sleep(SHARED_S)
            try:
                shared.tell(await self._backlog.shared_inverters(self._names, time.time_ns()))
            except JournalError as exc:
                _log.debug("no look for shared inverters reason=%s", exc)

    async def _purge(self) -> None:
        days = self._config.journal.retain_days
        while days:
            try:
                after: int | None = 0
                while after is not None:
                    after = await self._backlog.purge(days, time.time_ns(), after)
            except JournalError as exc:
                _log.debug("nothing purged reason=%s", exc)
            await trio.sleep(PURGE_S)


def _handler(server: Server) -> Callable[[trio.SocketStream], Awaitable[None]]:
    async def handle(stream: trio.SocketStream) -> None:
        try:
            peer = str(stream.socket.getpeername()[0])
        except OSError:
            # Gone before it was looked at; there is nothing to read either.
            await trio.aclose_forcefully(stream)
            return
        await server.handle(stream, peer, stream.socket.getsockname()[1])

    return handle


async def _stop_on_signal(signals: AsyncIterator[int], stopping: trio.Event) -> None:
    async for number in signals:
        _log.info("stopping signal=%s", signal.Signals(number).name)
        stopping.set()
        # What the receiver still holds when it is closed it sends once more, and that would kill.
        for more in STOP_SIGNALS:
            signal.signal(more, lambda *_: None)


async def _open_listeners(hosts: Sequence[str], ports: Sequence[tuple[int, str]]) -> list[trio.SocketListener]:
    """Open every port on every host, or none; raises StartError for one that can't be had."""
    opened: list[trio.SocketListener] = []
    for port, role in ports:
        for host in _with_ipv4(hosts):
            try:
                listeners = await trio.open_tcp_listeners(port, host=host, backlog=1024)
            # UnicodeError: a name that no host can have, as one with two dots in a row.
            except (OSError, UnicodeError) as exc:
                for listener in opened:
                    await listener.aclose()
                raise StartError(_listen_fault(host, port, exc)) from exc
            opened += listeners
            for listener in listeners:
                address = listener.socket.getsockname()
                _log.info("listening host=%s port=%d role=%s", address[0], address[1], role)
    return opened


def _with_ipv4(hosts: Sequence[str]) -> list[str]:
    """Who asks for all addresses of IPv6 means this machine, to which gateways come by IPv4."""
    missing = "0.0.0.0" not in hosts and any(is_every_ipv6(host) for host in hosts)  # noqa: S104
    return [*hosts, *(["0.0.0.0"] if missing else [])]  # noqa: S104


def _listen_fault(host: str, port: int, exc: OSError | UnicodeError) -> str:
    where = f"cannot listen on {host} port {port}"
    match exc:
        case OSError(errno=errno.EADDRINUSE):
            return f"{where}: another program uses it (perhaps another collector); stop that one or change the port"
        case OSError(errno=errno.EACCES):
            return f"{where}: this user may not use it"
        case OSError(errno=errno.EADDRNOTAVAIL) | socket.gaierror() | UnicodeError():
            return f"{where}: this machine has no such address; see [listen] host"
        case _:
            return f"{where}: {getattr(exc, 'strerror', None) or exc}"
