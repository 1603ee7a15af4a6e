"""Gateways of which each sends its next record as soon as the last one was acknowledged, in a process of its own.

`python -m benchmarks.load PORT CONNECTIONS SECONDS WARM_UP_S PART` prints a `Load` as JSON. One epoll loop over plain
sockets costs a small part of what the collector does for the same record; `cpu_s` shows that it did not hold it up.
"""

import json
import select
import socket
import sys
import time
from dataclasses import asdict, dataclass

from benchmarks.site import TIME, household_frame
from collector.file_limit import raise_file_limit

# A group commit on a slow disk takes a fraction of a second.
_SILENCE_S = 20.0
_STEPS_A_DAY = 288
# Every run has years of its own: a record that came before would be a repeat, which costs less.
_RECORDS_A_PART = 5 * 12 * 28 * _STEPS_A_DAY
_DAYS = [f"{year}{month:02d}{day:02d}" for year in range(1990, 2025) for month in range(1, 13) for day in range(1, 29)]
_STEPS = [f"{minute // 60:02d}{minute % 60:02d}00" for minute in range(0, 1440, 5)]


@dataclass(frozen=True, slots=True)
class Load:
    """What the gateways saw after the warm-up, but for `acknowledged_in_all`; times are from send to answer."""

    acknowledged_in_all: int
    acknowledged: int
    seconds: float
    p50_s: float
    p99_s: float
    max_s: float
    cpu_s: float

    @property
    def per_s(self) -> float:
        """Acknowledgements a second."""
        return self.acknowledged / self.seconds


class _Gateway:
    """One connection; `sent_at` is when the record that is now unanswered was sent."""

    def __init__(self, port: int, ecu: str, first: int) -> None:
        text = household_frame(ecu)
        self._head, self._rest = text[: TIME.start].encode(), text[TIME.stop :].encode() + b"\n"
        self._next = first
        self._expected = self._answer = b""
        self.sent_at = 0.0
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self) -> None:
        day, step = divmod(self._next, _STEPS_A_DAY)
        stamp = f"{_DAYS[day]}{_STEPS[step]}".encode()
        self._next += 1
        self._expected, self._answer = b"101" + stamp, b""
        self.sent_at = time.perf_counter()
        self.socket.sendall(b"".join((self._head, stamp, self._rest)))

    def is_answered(self) -> bool:
        """Read; SystemExit when it is not what a gateway would accept."""
        data = self.socket.recv(64)
        self._answer += data
        if self._answer == self._expected:
            return True
        if not data or not self._expected.startswith(self._answer):
            raise SystemExit(f"{self._answer!r} came where {self._expected!r} was due")
        return False


def run(port: int, connections: int, seconds: float, warm_up_s: float, part: int) -> Load:
    """Open all connections, then send for so long. SystemExit for a wrong answer, a close, or a long silence."""
    raise_file_limit()
    gateways = [_Gateway(port, f"2160{number:08d}", part * _RECORDS_A_PART) for number in range(connections)]
    by_file = {gateway.socket.fileno(): gateway for gateway in gateways}
    poll = select.epoll()
    for file in by_file:
        poll.register(file, select.EPOLLIN)
    began = time.perf_counter()
    opened_at, ends_at = began + warm_up_s, began + warm_up_s + seconds
    waits: list[float] = []
    before = 0
    cpu_began = time.process_time()
    for gateway in gateways:
        gateway.send()
    now = time.perf_counter()
    while now < ends_at:
        ready = poll.poll(_SILENCE_S)
        if not ready:
            raise SystemExit(f"no answer for {_SILENCE_S:.0f} s")
        for file, _ in ready:
            gateway = by_file[file]
            if gateway.is_answered():
                now = time.perf_counter()
                if now < opened_at:
                    before += 1
                elif now < ends_at:
                    waits.append(now - gateway.sent_at)
                gateway.send()
    cpu_s = time.process_time() - cpu_began
    for gateway in gateways:
        gateway.socket.close()
    if not waits:
        raise SystemExit("no answer after the warm-up")
    waits.sort()
    count = len(waits)
    p99_s = waits[min(count - 1, count * 99 // 100)]
    return Load(before + count, count, seconds, waits[count // 2], p99_s, waits[-1], cpu_s)


def main(port: str, connections: str, seconds: str, warm_up_s: str, part: str) -> None:
    """Print what `run` found."""
    print(json.dumps(asdict(run(int(port), int(connections), float(seconds), float(warm_up_s), int(part)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
