"""A collector in a process of its own, as its owner runs it: for tests that need a real start, a real end, or a crash.

It listens on loopback only, on ports that the system chooses, and keeps its journal and configuration in the folder it
is given. A collector can be started again in the same folder and then finds what the one before left there.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from collector.config.load import load
from collector.status.health import Status
from collector.status.site import gather
from tests.program import SETTINGS

# A start takes under a second; this bound is for a machine that has much else to do.
START_S = 30.0
END_S = 30.0


class Collector:
    """Starts `python -m collector run` and returns once every port is open.

    `settings` is TOML beside [listen], `listen` are more lines of that table; `ports` are the two data ports and the
    control port asked for, of which `self.ports` has the real numbers; `most_files` is the limit of open files it
    starts with. `wrapper` is a command that runs this one, as the same process. `folder` must exist. Raises
    AssertionError, with what was logged, for a collector that ends instead of listening.
    """

    def __init__(
        self,
        folder: Path,
        settings: str = "",
        *,
        listen: str = "",
        ports: Sequence[int] = (0, 0, 0),
        environ: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
        most_files: int | None = None,
        wrapper: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.ports: list[int] = []
        self.log: list[str] = []
        self.config = write_config(folder, settings, listen=listen, ports=ports)
        self._environ = own_environ(environ)
        self._news = threading.Condition()
        self._ended = False
        limited = () if most_files is None else ("sh", "-c", f'ulimit -n {most_files}; exec "$0" "$@"')
        self.process = subprocess.Popen(
            [*limited, *wrapper, sys.executable, "-m", "collector", "run", "--config", str(self.config), *arguments],
            cwd=folder,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reading = threading.Thread(target=self._read_log, name="log of the collector")
        self._reading.start()
        try:
            lines = self.wait_for(" listening ", count=len(ports), within_s=START_S)
        except BaseException:
            self.kill()
            raise
        self.ports = [int(line.partition(" port=")[2].split()[0]) for line in lines]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.kill()

    @property
    def journal(self) -> Path:
        """Where the journal is unless the settings say otherwise."""
        return self.folder / "data" / "journal.db"

    def send(self, data: bytes, port_index: int = 0, timeout: float = 10.0) -> bytes:
        """Open a connection, send, and return the answer, which comes in one piece; b"" when the collector closed.

        Raises TimeoutError when it neither answered nor closed.
        """
        with self.connect(port_index, timeout) as connection:
            connection.sendall(data)
            try:
                return connection.recv(65_536)
            except ConnectionResetError:
                # A close with bytes unread behind the message.
                return b""

    def connect(self, port_index: int = 0, timeout: float = 10.0, *, source: str = "127.0.0.1") -> socket.socket:
        """Open a connection; `source` is the address it comes from."""
        return socket.create_connection(("127.0.0.1", self.ports[port_index]), timeout, (source, 0))

    def wait_for(self, text: str, *, count: int = 1, within_s: float = 10.0) -> list[str]:
        """Wait until `count` lines with this text were logged, and return these lines."""
        deadline = time.monotonic() + within_s
        with self._news:
            while len(found := [line for line in self.log if text in line]) < count:
                left = deadline - time.monotonic()
                if left <= 0 or self._ended:
                    raise AssertionError(f"no {text!r} in the log:\n" + "\n".join(self.log))
                self._news.wait(left)
            return found

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another command of the collector with the same configuration."""
        return run_command(*arguments, "--config", str(self.config), folder=self.folder, environ=self._environ)

    def status(self) -> tuple[int, dict[str, Any]]:
        """What `status --json` says, with its exit code."""
        done = self.run("status", "--json")
        return done.returncode, json.loads(done.stdout)

    def look(self) -> Status:
        """What `status` says, worked out in this process: for waiting, since a process takes half a second for it."""
        config = load(self.config, self._environ, needs_token=False)
        # It is said as the collector sees it, from its own folder.
        journal = config.journal.model_copy(update={"path": self.folder / config.journal.path})
        return gather(config.model_copy(update={"journal": journal}), time.time_ns())

    def signal(self, number: int = signal.SIGTERM) -> None:
        """Send a signal and go on."""
        self.process.send_signal(number)

    def wait(self, within_s: float = END_S) -> int:
        """Wait for the end and return the exit code; the log is whole afterwards."""
        code = self.process.wait(within_s)
        self._reading.join()
        return code

    def stop(self) -> int:
        """End it in order, by SIGTERM, and return its exit code."""
        self.signal()
        return self.wait()

    def kill(self) -> None:
        """End it as a power cut would; nothing happens when it has ended already."""
        if self.process.poll() is None:
            self.process.kill()
        self.wait()

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in lines:
                with self._news:
                    self.log.append(line.rstrip("\n"))
                    self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()


def write_config(folder: Path, settings: str = "", *, listen: str = "", ports: Sequence[int] = (0, 0, 0)) -> Path:
    """Write a `config.toml` into the folder; the last of the ports is the control port."""
    *data_ports, control_port = ports
    path = folder / "config.toml"
    table = f'[listen]\nhost = "127.0.0.1"\ndata_ports = {data_ports}\ncontrol_port = {control_port}\n{listen}\n'
    path.write_text(f"{table}\n{settings}\n", encoding="utf-8")
    return path


def own_environ(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without what would configure a collector, and with `more`."""
    environ = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    return {**environ, **(more or {})}


def run_command(
    *arguments: str, folder: Path, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run one command of the collector to its end, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "collector", *arguments],
        cwd=folder,
        env=own_environ(environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
