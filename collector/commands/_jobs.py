"""`collector replay` and `collector rollup`: ask for jobs in the journal and watch until they are done.

The service does them. Where none runs, the command does them itself, as the service would and in its place. A command
that ends early leaves its jobs to the service, and the same command again goes on watching.
"""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import date
from threading import Event

import trio
from rich.progress import Progress

from collector.commands._progress import bar
from collector.commands.exit_codes import FINDING, FINE
from collector.config.model import Config, InfluxDB
from collector.config.names import Names, announced
from collector.config.tariffs import Tariffs
from collector.errors import CollectorError, ConfigError
from collector.journal.job_writing import Jobs
from collector.journal.jobs import EVERY_ECU, REPLAY, ROLLUP, Job, Request, days_left, jobs
from collector.journal.lock import IN_ITS_PLACE, RUN, START, Taken, is_taken, locked
from collector.journal.reading import JournalReader
from collector.journal.state import RunState
from collector.journal.threaded import ThreadedJournal
from collector.journal.writing import Journal
from collector.newcomers import Welcome
from collector.service.delivery import Delivery
from collector.service.supervision import Supervisor

LOOK_S = 0.3
# How long a command waits for an InfluxDB that does not answer before it leaves the rest to the service.
PATIENCE_S = 60.0
# A service that was just started has not said what it works with yet.
_START_S = 15.0


def replay(config: Config, *, ecu: str | None, first: date | None, last: date | None) -> list[Job]:
    """Have records decoded again, those of one gateway or of all. Returns the jobs as they ended.

    Raises ConfigError without [influxdb], CollectorError for an unknown gateway or a service that can't do it, and
    JournalError.
    """
    _database(config)
    with _reader(config) as reader:
        gateways = [gateway.ecu for gateway in reader.gateways() if ecu in (None, gateway.ecu)]
        if ecu is None and reader.count(""):
            # Those without a readable id.
            gateways.append("")
    if ecu is not None and not gateways:
        raise CollectorError(f"the journal has no records of an ECU {ecu}")
    everything = not (ecu or first or last)
    return _carried_out(config, [Request(REPLAY, name, first, last, everything) for name in gateways])


def rollup(config: Config, *, ecu: str | None, first: date | None, last: date | None) -> list[Job]:
    """Have the days of one gateway or of all computed again from what InfluxDB holds; else as `replay`."""
    done = _carried_out(config, [Request(ROLLUP, ecu or EVERY_ECU, first, last)])
    if ecu is not None and not any(job.days or job.kept or job.refused for job in done):
        raise CollectorError(f"InfluxDB has nothing of an ECU {ecu}" + (" in these days" if first or last else ""))
    return done


def _database(config: Config) -> InfluxDB:
    if config.influxdb is None:
        raise ConfigError(["influxdb: missing, so there is nothing to write to"])
    return config.influxdb


def _reader(config: Config) -> JournalReader:
    path = config.journal.path
    if path.exists():
        # An older one is brought up to date, but not while a service of then works with it; a missing one is an error
        # of the reader.
        with suppress(Taken), _in_its_place(config), closing(Journal(path)) as journal:
            journal.open()
    return JournalReader(path)


def _carried_out(config: Config, requests: Sequence[Request]) -> list[Job]:
    names, settings = Names(config), _database(config)
    with _reader(config) as reader, closing(Journal(config.journal.path)) as journal:
        _check_service(config, reader, names)
        ids = Jobs(journal).ask(requests, time.time_ns())
        journal.close()
        with _rest_told(), bar() as progress:
            watch = _Watch(reader, ids, progress)
            while not watch.look():
                # Whoever has the lock does it: the service, or this command for as long as there is none.
                try:
                    with _in_its_place(config):
                        trio.run(_do, settings, names, Tariffs(config.tariff), announced(config), watch)
                except Taken:
                    _check_names(reader.run_state(), names)
                Event().wait(LOOK_S)
            return watch.jobs


@contextmanager
def _in_its_place(config: Config) -> Iterator[None]:
    """Have the service's lock, which one that starts gets back; raises Taken while it runs or starts."""
    path = config.journal.path
    with locked(path, START):
        pass
    with locked(path, RUN, note=IN_ITS_PLACE):
        yield


@contextmanager
def _rest_told() -> Iterator[None]:
    """Tell whoever breaks the command off that its work goes on."""
    try:
        yield
    except* KeyboardInterrupt:
        # In a group where trio ran.
        sys.stderr.write("collector: the service does the rest; the same command again goes on watching\n")
        raise


def _check_service(config: Config, reader: JournalReader, names: Names) -> None:
    """A service that was started with another configuration would write the names of that one."""
    try:
        with _in_its_place(config):
            return
    except Taken as exc:
        if IN_ITS_PLACE in exc.holder:
            # Another command does this work as well.
            return
    deadline = time.monotonic() + _START_S
    while not (run := reader.run_state()).is_alive(time.time_ns()) and time.monotonic() < deadline:
        Event().wait(LOOK_S)
    _check_names(run, names)


def _check_names(run: RunState, names: Names) -> None:
    # One that is gone may have left its own.
    if run.names is None or not run.is_alive(time.time_ns()):
        return
    if not run.names:
        raise CollectorError("the service was started without [influxdb]: restart it, then try again")
    if run.names != names.fingerprint():
        raise CollectorError(
            "the service was started with other names or time zones than the configuration has now: restart it, then"
            " try again"
        )


async def _do(settings: InfluxDB, names: Names, tariffs: Tariffs, welcome: Welcome, watch: "_Watch") -> None:
    """Deliver and compute, as the service does, until the jobs are done and nothing waits, or a service starts."""
    backlog = ThreadedJournal(Journal(watch.journal), trio.CapacityLimiter(1))
    delivery = Delivery(settings, names, tariffs, backlog, welcome)
    failure: CollectorError | None = None
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(delivery.run, Supervisor())
            try:
                while not (watch.look(lambda: delivery.writer.health.error) or is_taken(watch.journal, START)):  # noqa: ASYNC110
                    await trio.sleep(LOOK_S)
            except CollectorError as exc:
                # A nursery would make a group of it.
                failure = exc
            nursery.cancel_scope.cancel()
    finally:
        with trio.CancelScope(shield=True):
            await backlog.close()
        delivery.close()
    if failure is not None:
        raise failure


class _Watch:
    """Shows how far the jobs are. Raises CollectorError when InfluxDB stays away for PATIENCE_S."""

    def __init__(self, reader: JournalReader, ids: Sequence[int], progress: Progress) -> None:
        self.journal = reader.path
        self.jobs: list[Job] = []
        self._reader = reader
        self._ids = ids
        self._progress = progress
        self._records = progress.add_task("replay", total=None, visible=False)
        self._days = progress.add_task("roll-up", total=None, visible=False)
        self._most_days = 0
        self._away_since: float | None = None

    def look(self, error: Callable[[], str | None] | None = None) -> bool:
        """Look at the jobs once; True when all are done. `error` says why InfluxDB can't be used, if it can't; it comes
        from where there is no service, and records that wait are to be delivered as well.
        """
        self.jobs = jobs(self._reader, self._ids)
        total = sum(job.total for job in self.jobs)
        records = sum(job.records for job in self.jobs)
        if any(job.kind == REPLAY for job in self.jobs):
            self._progress.update(self._records, total=total or None, completed=min(records, total), visible=True)
        left = days_left(self._reader, self._ids)
        self._most_days = max(left, self._most_days)
        if self._most_days:
            self._progress.update(self._days, total=self._most_days, completed=self._most_days - left, visible=True)
        if all(job.ended for job in self.jobs) and not (error and self._reader.pending_count()):
            return True
        self._lose_patience(error() if error else self._said())
        return False

    def _said(self) -> str | None:
        return self._reader.run_state().influxdb_error or None

    def _lose_patience(self, error: str | None) -> None:
        now = time.monotonic()
        if error is None:
            self._away_since = None
        elif self._away_since is None:
            self._away_since = now
            sys.stderr.write(f"collector: {error}; waiting for up to {PATIENCE_S:.0f} s\n")
        elif now > self._away_since + PATIENCE_S:
            raise CollectorError(f"{error}; what is left is done by the service, or by the same command again")


def tell(done: Sequence[Job]) -> int:
    """Say what both commands say of days that stay and of what was refused; returns the exit code."""
    if kept := sum(job.kept for job in done):
        print(f"{kept} days keep the roll-up that they have: InfluxDB has no points of them any more, or not all")
    for job in done:
        if job.refused:
            print(f"refused: {job.refused} of ECU {job.ecu}, the last one because: {job.problem}", file=sys.stderr)
    return FINDING if any(job.refused for job in done) else FINE
