"""Brokers that are none: what hangs, resets, says no, or knows only an old protocol."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

# What a broker says by a single packet (MQTT 3.1.1 and 5, section 3.2).
_CONNACK: Final = 0x20
ACCEPTED_5 = bytes([_CONNACK, 3, 0, 0, 0])
ACCEPTED_3 = bytes([_CONNACK, 2, 0, 0])
OLD_ONLY = bytes([_CONNACK, 2, 0, 1])


def level_of(packet: bytes) -> int:
    """The version in a CONNECT packet, whose length is told by one or two bytes."""
    return packet[packet.index(b"MQTT") + 4]


def hold(connection: socket.socket, is_over: threading.Event) -> None:
    """Take a connection, and never say anything."""
    with connection:
        is_over.wait()


def hang_up(connection: socket.socket, _is_over: threading.Event) -> None:
    """Close a connection at once."""
    connection.close()


def reset(connection: socket.socket, _is_over: threading.Event) -> None:
    """Break a connection off."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def accept_and_hang(connection: socket.socket, is_over: threading.Event) -> None:
    """Let a client in, and take nothing that it sends."""
    with connection:
        packet = connection.recv(4096)
        connection.sendall(ACCEPTED_5 if level_of(packet) == 5 else ACCEPTED_3)
        is_over.wait()


def talk_nonsense(connection: socket.socket, is_over: threading.Event) -> None:
    """Be a server of another kind."""
    with connection:
        connection.sendall(b"220 mail.example.org ready\r\n")
        is_over.wait(0.2)


@contextmanager
def broker(behave: Callable[[socket.socket, threading.Event], None]) -> Iterator[tuple[int, list[int]]]:
    """A server that treats every connection like this; its port, and a list that grows by each connection."""
    is_over = threading.Event()
    connections: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        threads: list[threading.Thread] = []

        def serve() -> None:
            while not is_over.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                connection.settimeout(None)
                connections.append(1)
                thread = threading.Thread(target=_quietly, args=(behave, connection, is_over))
                thread.start()
                threads.append(thread)

        accepting = threading.Thread(target=serve)
        accepting.start()
        try:
            yield server.getsockname()[1], connections
        finally:
            is_over.set()
            accepting.join()
            for thread in threads:
                thread.join()


def _quietly(
    behave: Callable[[socket.socket, threading.Event], None], connection: socket.socket, is_over: threading.Event
) -> None:
    try:
        behave(connection, is_over)
    except OSError:
        connection.close()
