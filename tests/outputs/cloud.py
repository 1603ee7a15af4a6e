"""A stand-in for the vendor's cloud: ports on loopback that keep all frames and answer as they are told.

What a cloud may do wrong is chosen by the frame: it hangs, resets, drips, or sends something that is no answer.
"""

import contextlib
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from enum import Enum
from typing import Self

from tests.simulate.peers import own_time, right_answer


class Wrong(Enum):
    """What comes in place of an answer."""

    HANGS = "nothing comes, and nobody closes"
    CLOSES = "closed without an answer"
    RESETS = "reset"
    DRIPS = "a byte after the other, without an end"
    FLOODS = "megabytes"


Answer = Callable[[bytes], bytes | Wrong]


class EmaCloud:
    """Acknowledges as the vendor's cloud is said to: with the time stamp of the record before, as it stores later."""

    def __init__(self) -> None:
        self.stored: dict[bytes, list[bytes]] = {}

    def __call__(self, frame: bytes) -> bytes:
        if frame[:10] == b"APS13AAA22":
            known = self.stored.get(frame[10:22], [])[-72:]
            return b"1%02d" % len(known) + b"".join(known)
        if frame[10:12] == b"A1":
            return right_answer(frame)
        before = self.stored.setdefault(frame[18:30], [])
        before.append(own_time(frame))
        return b"101" + before[-2] if len(before) > 1 else b"100"


class Cloud:
    """Serves while the context lasts. `answer` may be replaced at any time; `frames` are all that came, in order."""

    def __init__(self, answer: Answer = right_answer) -> None:
        self.answer: Answer = answer
        self.frames: list[bytes] = []
        self.opened: Counter[int] = Counter()
        self.most_at_once: Counter[bytes] = Counter()
        self._now: Counter[bytes] = Counter()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
        self.ports = [listener.getsockname()[1] for listener in self._listeners]
        self._threads = [threading.Thread(target=self._serve, args=(one,), daemon=True) for one in self._listeners]

    @property
    def settings(self) -> str:
        """The table of the configuration that leads here."""
        return (
            f'[mirror]\nenabled = true\naddress = "127.0.0.1"\ndata_ports = {self.ports[:2]}\n'
            f"control_port = {self.ports[2]}\n"
        )

    @property
    def records(self) -> list[bytes]:
        """The uploads among the frames, without questions and what is for the control port."""
        return [frame for frame in self.frames if frame[10:12] != b"A1" and frame[:10] != b"APS13AAA22"]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._ended.set()
        for listener in self._listeners:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def _serve(self, listener: socket.socket) -> None:
        while not self._ended.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.opened[listener.fileno() if self._ended.is_set() else connection.getsockname()[1]] += 1
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        buffer, ecu = b"", b""
        with connection, contextlib.suppress(OSError):
            try:
                while came := connection.recv(65_536):
                    buffer += came
                    while b"\n" in buffer:
                        frame, _, buffer = buffer.partition(b"\n")
                        ecu = self._enter(frame, ecu)
                        if not self._reply(connection, frame):
                            return
            finally:
                with self._lock:
                    self._now[ecu] -= 1

    def _enter(self, frame: bytes, known: bytes) -> bytes:
        ecu = frame[10:22] if frame[:10] == b"APS13AAA22" else frame[18:30]
        with self._lock:
            self.frames.append(frame)
            if not known:
                self._now[ecu] += 1
                self.most_at_once[ecu] = max(self.most_at_once[ecu], self._now[ecu])
        return ecu

    def _reply(self, connection: socket.socket, frame: bytes) -> bool:
        match self.answer(frame):
            case Wrong.HANGS:
                self._ended.wait()
            case Wrong.RESETS:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            case Wrong.DRIPS:
                while not self._ended.wait(0.02):
                    connection.sendall(b"9")
            case Wrong.FLOODS:
                for _ in range(64):
                    connection.sendall(b"APS13AAA51A105AAA0" + b"9" * 65_536)
            case bytes() as answer:
                connection.sendall(answer)
                return True
            case _:
                pass
        return False
