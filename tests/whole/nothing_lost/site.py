"""One installation for the machine: service and commands as real processes with a clock of its own, and two buckets.

The wall clock of every process is shifted by a shim that is compiled at run time, so that days pass in no time. `Fault`
says how a process is ended early: after some time by a signal, or by strace at its n-th system call of a kind, which is
before that call is made; and how it is slowed, so that things meet that rarely do. It needs nothing of the program.
"""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.influxdb_server import InfluxServer
from tests.running import Collector, own_environ, write_config
from tests.whole.nothing_lost.expected import DAILY_TAGS, TAGS, Points, Settings, from_rows
from tests.whole.nothing_lost.wire import Frame

ANSWER_S = 20.0
COMMAND_S = 150.0
START_S = 60.0

_EVER = "range(start: 1970-01-01T00:00:00Z, stop: 2200-01-01T00:00:00Z)"
_SHIM = Path(__file__).with_name("shifted_clock.c")


class Unavailable(Exception):
    """This machine lacks something that the rules need; the text says what."""


class Lost(AssertionError):
    """Something that was promised does not hold."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`signal` is sent after `after_s`. `call` names a system call that takes `delay_ms` longer each time, or at whose
    n-th time the process is killed.
    """

    signal: int = 0
    after_s: float = 0.0
    call: str = ""
    nth: int = 0
    delay_ms: int = 0

    @property
    def wrapper(self) -> tuple[str, ...]:
        """What runs a command so."""
        if not self.call:
            return ()
        what = f"delay_enter={self.delay_ms * 1000}" if self.delay_ms else f"signal=KILL:when={self.nth}"
        # The tracer is the grandchild, so that the process is ours to wait for and to signal.
        trace = ("-e", f"trace={self.call}", "-e", f"inject={self.call}:{what}")
        return ("strace", "-D", "-f", "-q", "-o", os.devnull, *trace)

    def __str__(self) -> str:
        slow = f"with {self.call} taking {self.delay_ms} ms longer" if self.delay_ms else ""
        killed = f"killed at {self.call} number {self.nth}" if self.nth else ""
        ended = f"{signal.Signals(self.signal).name} after {self.after_s:.2f} s" if self.signal else ""
        return " ".join(part for part in (slow, killed, ended) if part)


NO_FAULT = Fault()


@dataclass(slots=True)
class Ended:
    """A command that is over; `cut` says that its fault has ended it."""

    code: int
    out: str
    err: str
    cut: bool


@dataclass(slots=True)
class Kept:
    """What the journal's file holds: the bytes of each record, and how many records, days and jobs wait."""

    raws: dict[bytes, int] = field(default_factory=dict)
    waiting: int = 0
    days: int = 0
    jobs: int = 0
    set_aside: int = 0

    @property
    def is_quiet(self) -> bool:
        """Whether there is nothing left to do."""
        return not (self.waiting or self.days or self.jobs)


class Running:
    """A command on its way; `end` waits for it."""

    def __init__(self, process: "subprocess.Popen[str]", fault: Fault, arguments: Sequence[str]) -> None:
        self.arguments = tuple(arguments)
        self._process = process
        self._fault = fault
        self._began = time.monotonic()

    def __str__(self) -> str:
        return f"`{' '.join(self.arguments)}`{' ' if self._fault != NO_FAULT else ''}{self._fault}"

    def end(self) -> Ended:
        """Wait for its end, which its fault may bring. Raises Lost for a command that hangs or ends in a traceback."""
        cut = False
        if self._fault.signal:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(max(0.0, self._began + self._fault.after_s - time.monotonic()))
            cut = self._process.poll() is None
            if cut:
                self._process.send_signal(self._fault.signal)
        try:
            out, err = self._process.communicate(timeout=COMMAND_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            out, err = self._process.communicate()
            raise Lost(f"{self} hangs: {out}{err}") from None
        code = self._process.returncode
        cut = cut or code == -signal.SIGKILL
        # An interpreter that is interrupted before it has begun to run the program says so in its own way.
        if "Traceback" in err and not cut:
            raise Lost(f"{self} ends in a traceback: {err}")
        return Ended(code, out, err, cut)


class Site:
    """Starts with an empty folder and ends with both buckets dropped."""

    def __init__(self, folder: Path, influx: InfluxServer, clock: Path, shift_s: int) -> None:
        self.folder = folder
        self.influx = influx
        self.shift_s = shift_s
        unique = secrets.token_hex(4)
        self.bucket, self.daily_bucket = f"solar-{unique}", f"solar_daily-{unique}"
        self.service: Collector | None = None
        self.retain_days = 0
        self._clock = clock
        self._log: list[str] = []

    @property
    def journal(self) -> Path:
        """Where the configuration puts it."""
        return self.folder / "data" / "journal.db"

    @property
    def now(self) -> float:
        """What the clock of every process shows, in s since 1970."""
        return time.time() + self.shift_s

    def _environ(self) -> dict[str, str]:
        return own_environ({"LD_PRELOAD": str(self._clock), "SHIFT_S": str(self.shift_s)})

    def _toml(self, settings: Settings) -> str:
        api = self.influx.api
        return (
            f'[influxdb]\nurl = "{api.url}"\norg = "{api.org}"\ntoken = "{api.token}"\n'
            f'bucket = "{self.bucket}"\nrollup_bucket = "{self.daily_bucket}"\n'
            f"[journal]\nretain_days = {self.retain_days}\n{settings.toml()}"
        )

    def configure(self, settings: Settings) -> None:
        """Write the configuration, which a service reads at its start and a command at each run."""
        write_config(self.folder, self._toml(settings))

    def start(self, settings: Settings, fault: Fault = NO_FAULT) -> bool:
        """Start the service; False when its fault has ended it already. Waits for a command that does its work."""
        deadline = time.monotonic() + START_S
        environ = self._environ()
        while True:
            try:
                self.service = Collector(self.folder, self._toml(settings), environ=environ, wrapper=fault.wrapper)
            except AssertionError as exc:
                if "already" in str(exc) and time.monotonic() < deadline:
                    threading.Event().wait(0.2)
                    continue
                if fault.nth and "Traceback" not in str(exc):
                    return False
                raise Lost(f"the service does not start: {exc}") from None
            return True

    def is_running(self) -> bool:
        """Whether the service was started and has not ended since."""
        return self.service is not None and self.service.process.poll() is None

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End the service. Raises Lost for one that does not end well, or had ended by itself before."""
        service, self.service = self.service, None
        if service is None:
            return
        if service.process.poll() is None:
            service.signal(number)
        try:
            code = service.wait(60)
        except subprocess.TimeoutExpired:
            service.kill()
            raise Lost("the service does not end") from None
        self._log = service.log
        if code not in (0, -signal.SIGKILL):
            raise Lost(f"the service ended with {code}: {service.log[-20:]}")
        if [line for line in service.log if "Traceback" in line]:
            raise Lost("the service logged a traceback: " + "\n".join(service.log[-60:]))

    def last_words(self) -> list[str]:
        """The end of the service's log."""
        return (self.service.log if self.service else self._log)[-40:]

    def command(self, *arguments: str, fault: Fault = NO_FAULT) -> Running:
        """Begin a command of the collector."""
        whole = [*fault.wrapper, sys.executable, "-m", "collector", *arguments, "--config", "config.toml"]
        process = subprocess.Popen(
            whole,
            cwd=self.folder,
            env=self._environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return Running(process, fault, arguments)

    def send(self, frames: Sequence[Frame], port_index: int = 0) -> int:
        """Send one behind the other on one connection as a gateway does; how many were answered, and so acknowledged.

        Raises Lost for a wrong answer. A frame to which silence is the answer counts once it was sent.
        """
        answered = 0
        if not self.is_running():
            return 0
        assert self.service is not None
        with contextlib.suppress(OSError), self.service.connect(port_index, ANSWER_S) as connection:
            for frame in frames:
                connection.sendall(frame.raw + b"\n")
                if frame.answer and not self._is_answered(connection, frame):
                    break
                answered += 1
        return answered

    def _is_answered(self, connection: socket.socket, frame: Frame) -> bool:
        found = connection.recv(4096)
        if found and found != frame.answer:
            raise Lost(f"a wrong answer: {found!r} to {frame.raw!r}")
        return bool(found)

    def kept(self) -> Kept:
        """Look into the journal's file."""
        found = Kept()
        if not self.journal.exists():
            return found
        with contextlib.closing(sqlite3.connect(f"{self.journal.as_uri()}?mode=ro", uri=True, timeout=10)) as db:
            tables = {row[0] for row in db.execute("select name from sqlite_master where type = 'table'")}
            if "record" not in tables:
                return found
            # One after the other, since the other way round would miss what goes from a record to its day.
            query = "select raw, packed, received_at, delivered_at is null, set_aside is not null from record"
            for raw, packed, received_at, waits, aside in db.execute(query):
                found.raws[zlib.decompress(raw) if packed else raw] = received_at
                found.set_aside += aside
                found.waiting += waits and not aside
            found.days = db.execute("select count(*) from stale_day").fetchone()[0] if "stale_day" in tables else 0
            if "job" in tables:
                found.jobs = db.execute("select count(*) from job where ended_at is null").fetchone()[0]
        return found

    def check_file(self) -> None:
        """What SQLite says of the file while nobody writes. Raises Lost."""
        with contextlib.closing(sqlite3.connect(self.journal)) as db:
            found = db.execute("pragma integrity_check").fetchall()
        if found != [("ok",)]:
            raise Lost(f"the journal's file is damaged: {found[:5]}")

    def new_backup(self) -> Path:
        """A name that nothing has yet."""
        return self.folder / f"backup-{secrets.token_hex(4)}.tar.gz"

    def move_journal_away(self) -> None:
        """With its log and everything beside it."""
        self.journal.parent.rename(self.folder / f"data-{secrets.token_hex(4)}")

    def raw(self) -> Points:
        """What the gateways' measurements hold; nothing while the bucket is not there."""
        return from_rows(self._rows(self.bucket, 'r._measurement != "collector" and r._measurement != "event"'), TAGS)

    def daily(self) -> Points:
        """The roll-ups."""
        return from_rows(self._rows(self.daily_bucket, "true"), DAILY_TAGS)

    def events(self) -> list[dict[str, str]]:
        """The texts, inverters and versions of all events."""
        return self._rows(self.bucket, 'r._measurement == "event"')

    def _rows(self, bucket: str, which: str) -> list[dict[str, str]]:
        if self.influx.api.bucket(bucket) is None:
            return []
        return self.influx.api.query(f'from(bucket: "{bucket}") |> {_EVER} |> filter(fn: (r) => {which})')

    def close(self) -> None:
        """End everything, whatever state it is in."""
        if self.service is not None:
            self.service.kill()
        for bucket in (self.bucket, self.daily_bucket):
            self.influx.api.drop_bucket(bucket)


def shifted_clock(folder: Path) -> Path:
    """The library that shifts the clock of a process. Raises Unavailable where it can't be made, or strace is missing
    or may not trace.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        raise Unavailable("no C compiler (cc), which the shifted clock is made with")
    if shutil.which("strace") is None:
        raise Unavailable("no strace to end processes at a system call with")
    library = folder / "shifted_clock.so"
    command = [compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(_SHIM)]
    made = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if made.returncode != 0:
        raise Unavailable(f"the shim for the clock does not compile: {made.stderr.strip()[:200]}")
    tried = [*Fault(call="fdatasync", nth=1).wrapper, sys.executable, "-c", "import os; os.fdatasync(1)"]
    with (folder / "tried").open("w") as file:
        if subprocess.run(tried, stdout=file, timeout=60, check=False).returncode != -signal.SIGKILL:
            raise Unavailable("strace may not trace here")
    return library
