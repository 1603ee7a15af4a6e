"""The service: opens the journal, nests the nurseries, waits for a signal.

The order of death is the nesting, from the inside out: listeners stop accepting; connections get GRACE_S to finish what
they hold; delivery, reports and the heartbeat end last. Cut off at any instant, the worst case is a record that comes
twice.
"""

import contextlib
import gc
import logging
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, timedelta
from functools import partial
from pathlib import Path

import trio

from collector.boards.write import configured_names, write_roof
from collector.clock.days import day_of
from collector.clock.skew import Skew
from collector.config.fingerprint import decoding_of
from collector.config.model import Config
from collector.config.names import Names, announced
from collector.config.tariffs import Tariffs, first_change
from collector.errors import JournalError, StartError
from collector.file_limit import raise_file_limit, room_for_connections
from collector.gateway.admission import Admission
from collector.gateway.intake import Intake
from collector.gateway.listeners import handler, open_listeners
from collector.gateway.server import Server
from collector.journal.accepting import accept_announced
from collector.journal.beat import Beat
from collector.journal.job_writing import Jobs
from collector.journal.jobs import EVERY_ECU, ROLLUP, Request
from collector.journal.lock import IN_ITS_PLACE, RUN, START, Taken, locked
from collector.journal.reading import JournalReader
from collector.journal.shared_inverters import SharedInverters
from collector.journal.state import NAMES_STATE, TARIFFS_STATE
from collector.journal.threaded import ThreadedJournal
from collector.journal.writing import Journal
from collector.ledger.keeping import Keeper
from collector.ledger.wanted import wanted
from collector.outputs.outputs import Outputs
from collector.points.decoding import clock_event, unknown_device_event
from collector.record import Arrival
from collector.service._analysis import Nightly
from collector.service._heartbeat import Heartbeat
from collector.service._metrics import Endpoint, Health
from collector.service._report import Reports
from collector.service._watch import ClockWatch, FirstRecords, NewcomerWatch
from collector.service.delivery import SWITCH_INTERVAL_S, Delivery
from collector.service.supervision import Supervisor
from collector.status.health import to_replay, unfinished

_log = logging.getLogger(__name__)

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
GRACE_S = 3.0
# A command looks for a service that starts several times a second, and breaks off what is under way.
HAND_OVER_S = 15.0
# No roll-up is of a day further ahead, since no record is.
_LONGEST_LEAD = timedelta(days=2)
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
        self._tariffs = Tariffs(config.tariff)
        self._welcome = announced(config)
        self._journal = Journal(config.journal.path, self._welcome)
        self._limiter = trio.CapacityLimiter(1)
        self._backlog = ThreadedJournal(self._journal, self._limiter)
        # A reading side of its own, since it reads for long.
        self._books = ThreadedJournal(self._journal, self._limiter)
        self._keeper = Keeper(self._books, self._names) if wanted(config) else None
        self._admission = Admission(config.listen.max_connections, config.listen.max_connections_per_address)
        self._supervisor = Supervisor()
        self._newcomers = NewcomerWatch(self._warn_of_newcomers)
        self._delivery = (
            Delivery(
                config.influxdb,
                self._names,
                self._tariffs,
                self._backlog,
                self._welcome,
                self._newcomers.inverters_wait,
            )
            if config.influxdb
            else None
        )
        self._writer = self._delivery.writer if self._delivery else None
        self._first = FirstRecords()
        self._clocks = ClockWatch(self._names, self._warn_of_clock)
        self._metrics_listeners: list[trio.SocketListener] = []
        self._stopping = trio.Event()
        names = self._names.fingerprint() if self._delivery else ""
        self._outputs = Outputs(config, self._names, self._journal, self._limiter)
        beat = Beat(config.journal.path)
        self._heartbeat = Heartbeat(self._backlog, beat, names, self._supervisor, self._delivery, self._outputs.health)

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
                listeners = await open_listeners(self._config.listen.host, self._ports())
                metrics = self._config.metrics
                scraped = [] if metrics.port is None else [(metrics.port, "metrics")]
                self._metrics_listeners = await open_listeners((metrics.host,), scraped)
                await self._heartbeat.begin()
                await self._note_names()
                await self._note_tariffs()
                await self._serve(listeners, signals, task_status)
                await self._heartbeat.end()
            finally:
                self._heartbeat.close()
                with trio.CancelScope(shield=True):
                    await self._books.close_reading()
                    await self._outputs.close()
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
                        partial(trio.serve_listeners, handler(server), listeners, handler_nursery=connections)
                    )
                    task_status.started([listener.socket.getsockname()[1] for listener in listeners])
                    await self._stopping.wait()
                    accepting.cancel_scope.cancel()
                connections.cancel_scope.deadline = trio.current_time() + GRACE_S
            background.cancel_scope.cancel()

    def _start_supervised(self, background: trio.Nursery, intake: Intake, server: Server) -> None:
        """All that gateways can do without: whatever becomes of it, they get their answers."""
        reports = Reports(
            self._config, self._names, self._tariffs, self._backlog, server.counters, self._writer, self._outputs.health
        )
        supervised: dict[str, Callable[[], Awaitable[object]]] = {
            "the sign of life": partial(self._heartbeat.run, intake),
            "the board of the roof": partial(trio.to_thread.run_sync, self._write_roof, abandon_on_cancel=True),
            "what the configuration names": partial(
                trio.to_thread.run_sync, self._accept_announced, abandon_on_cancel=True
            ),
            **self._outputs.tasks(),
        }
        if self._delivery and self._writer:
            background.start_soon(self._delivery.run, self._supervisor)
            supervised["the collector's report"] = partial(reports.run, self._writer)
            supervised["the purge of old records"] = self._purge
            supervised["the search for inverters of two gateways"] = self._look_for_shared_inverters
        if self._config.analysis.enabled:
            supervised["the nightly analysis"] = Nightly(self._config, self._backlog).run
        if self._keeper:
            supervised["the ledger"] = self._keeper.run
        if self._keeper or self._outputs.health():
            sys.setswitchinterval(SWITCH_INTERVAL_S)
        for name, task in supervised.items():
            background.start_soon(self._supervisor.run, name, task)
        if self._metrics_listeners:
            endpoint = Endpoint(reports.figures, partial(self._health, intake), self._outputs.health)

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
        if self._keeper:
            self._keeper.wake()
        self._outputs.wake()
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
        """A changed name forks its series from now on, and an update may leave the past behind: a replay mends both."""
        if self._delivery is None:
            return
        before = (await self._backlog.state(NAMES_STATE)).get("fingerprint")
        names_stayed = before is None or self._names.has_written(before)
        if names_stayed:
            is_new = before is None and not await self._backlog.read(JournalReader.has_delivered)
            before = self._names.fingerprint() if is_new else self._names.fingerprint(decoding_of(before or ""))
            await self._backlog.put_state(NAMES_STATE, {"fingerprint": before})
        if why := to_replay(before, names_stayed=names_stayed):
            _log.warning("%s", why)

    async def _note_tariffs(self) -> None:
        """Days whose prices have changed are computed again, once."""
        if self._delivery is None:
            return
        now, before = self._tariffs.fingerprints(), await self._backlog.state(TARIFFS_STATE)
        if now == before:
            return
        first, at = first_change(before, now), time.time_ns()
        if first is None or first <= day_of(at, UTC) + _LONGEST_LEAD:
            _log.info("tariffs changed, roll-ups are computed again from=%s", first or "the first day")
            await self._backlog.write(partial(_ask_for_rollups, first=first, at=at))
        # Cut off before this, it is asked for once more.
        await self._backlog.put_state(TARIFFS_STATE, now)

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
                    after = await self._backlog.purge(
                        days, time.time_ns(), after, only_counted=self._keeper is not None
                    )
            except JournalError as exc:
                _log.debug("nothing purged reason=%s", exc)
            await trio.sleep(PURGE_S)


def _ask_for_rollups(journal: Journal, *, first: date | None, at: int) -> None:
    jobs = Jobs(journal)
    for job in jobs.ask([Request(ROLLUP, EVERY_ECU, first)], at):
        # It may be one that tariffs of before have brought about, and half done with those.
        jobs.begin(job, "")


async def _stop_on_signal(signals: AsyncIterator[int], stopping: trio.Event) -> None:
    async for number in signals:
        _log.info("stopping signal=%s", signal.Signals(number).name)
        stopping.set()
        # What the receiver still holds when it is closed it sends once more, and that would kill.
        for more in STOP_SIGNALS:
            signal.signal(more, lambda *_: None)
