"""What a broken or hostile device on the network may send, in a process of its own.

`python -m benchmarks.attacks PORT KIND COUNT` sends it once to a collector on this machine, waits for what answers
there are, and ends by itself, after some minutes at the latest; it prints how many there were.
"""

import contextlib
import itertools
import random
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TypeVar

from benchmarks import site
from collector.file_limit import raise_file_limit
from collector.protocol.blocks import Inverter
from collector.protocol.fields import with_length

_Frame = TypeVar("_Frame")

_TIMEOUT_S = 20.0
_HELD_S = 5.0
_LIMIT_S = 300.0
# So many connections come from one address, as many as a collector allows.
_CONNECTIONS_AN_ADDRESS = 256
_LONG = 100_000
_HALF = 120_000
_CHARACTERS = "".join(chr(code) for code in range(33, 127))


def ids(port: int, count: int) -> int:
    """One record each of so many gateways that nobody has ever seen, over one connection."""
    now = f"{_now():%Y%m%d%H%M%S}"
    return _over_one_connection(
        port, (site.frame(f"2169{number:08d}", now, (_inverter(number),)).encode() for number in range(count))
    )


def inverters(port: int, count: int) -> int:
    """So many records, each with 980 inverters that nobody has ever seen."""
    return _over_one_connection(port, (_crowd(number).encode() for number in range(count)))


def half_sent(port: int, count: int) -> int:
    """So many messages of which the end never comes, held for a moment."""
    with contextlib.ExitStack() as stack:
        for number in range(count):
            # Whoever is closed by the collector at once is one of them as well.
            with contextlib.suppress(OSError):
                stack.enter_context(_connect(port, number)).sendall(b"APS18999990002" + b"1" * (_HALF - 14))
        threading.Event().wait(_HELD_S)
    return 0


def unknown(port: int, count: int) -> int:
    """So many long messages of which nothing can be read; two in three are of no kind, the others commands."""
    return _each_alone(port, (_junk(number) for number in range(count)))


def stamped(port: int, count: int) -> int:
    """So many long messages of which only gateway and time can be read, and which are therefore acknowledged."""
    now = f"{_now():%Y%m%d}"
    heads = (f"APS18000000002AAA1216900000000{'0' * 30}{now}{number:06d}001000000END" for number in range(count))
    return _each_alone(port, (_padded(head, number) for number, head in enumerate(heads)))


ATTACKS: dict[str, Callable[[int, int], int]] = {
    "ids": ids,
    "inverters": inverters,
    "half-sent": half_sent,
    "unknown": unknown,
    "stamped": stamped,
}


def _now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


def _inverter(number: int) -> Inverter:
    return site.micro_inverter(number, 0.7, random.Random(number))  # noqa: S311 (weather, not secrets)


def _crowd(number: int) -> str:
    now = f"{_now():%Y%m%d%H}{number:04d}"
    crowd = tuple(_inverter(1_000_000 + number * 980 + place) for place in range(980))
    return site.frame("216988880000", now, crowd)


def _junk(number: int) -> str:
    head = (
        "APS18000000002AAA1",
        "APS99000000002AAA1",
        f"APS1300000A2{number % 100:02d}AAA0216900000000",
    )[number % 3]
    return _padded(head, number)


def _padded(head: str, number: int) -> str:
    """Bytes that no packing makes much smaller, each time others, behind a head that looks like a message's."""
    chance = random.Random(number)  # noqa: S311 (junk, not secrets)
    return with_length(head + "".join(chance.choices(_CHARACTERS, k=_LONG - len(head) - 4)) + "END", "0")


def _over_one_connection(port: int, frames: Iterator[bytes]) -> int:
    answers = 0
    with _connect(port, 0) as connection:
        for frame in _in_time(frames):
            connection.sendall(frame + b"\n")
            answers += bool(connection.recv(64))
    return answers


def _each_alone(port: int, frames: Iterator[str]) -> int:
    return sum(_alone(port, number, frame) for number, frame in enumerate(_in_time(frames)))


def _in_time(frames: Iterator[_Frame]) -> Iterator[_Frame]:
    deadline = time.monotonic() + _LIMIT_S
    return itertools.takewhile(lambda _frame: time.monotonic() < deadline, frames)


def _alone(port: int, number: int, frame: str) -> int:
    with _connect(port, number) as connection:
        connection.sendall(frame.encode() + b"\n")
        with contextlib.suppress(ConnectionResetError):
            return bool(connection.recv(64))
    return 0


def _connect(port: int, number: int) -> socket.socket:
    source = f"127.9.0.{1 + number // _CONNECTIONS_AN_ADDRESS}"
    return socket.create_connection(("127.0.0.1", port), _TIMEOUT_S, (source, 0))


if __name__ == "__main__":
    raise_file_limit()
    print(ATTACKS[sys.argv[2]](int(sys.argv[1]), int(sys.argv[3])))
