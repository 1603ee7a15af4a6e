"""What a check is given, built for one test; and a DNS server that says what it is told."""

import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from collector.config.model import Config
from collector.doctor._facts import gather
from collector.doctor.context import Context
from collector.doctor.findings import Finding, Level
from collector.journal.writing import Journal
from tests.samples import arrival, config

HERE = "127.0.0.1"
# Addresses of this machine that no other test listens on.
OTHER, THIRD = "127.0.0.77", "127.0.0.78"


def context(
    path: Path | None = None,
    *,
    now: int | None = None,
    configured: Config | None = None,
    **more: Any,  # noqa: ANN401
) -> Context:
    """A look at a journal, by default at none; addresses are those of loopback, for want of others."""
    chosen = configured or config(path or Path("/nonexistent/journal.db"))
    at = time.time_ns() if now is None else now
    circumstances: dict[str, Any] = {"addresses": (HERE,), "environ": {}, "facts": gather(chosen, at)}
    return Context(chosen, now=at, **(circumstances | more))


def store(path: Path, *frames: bytes, received_at: Sequence[int]) -> None:
    """Put frames into the journal at `path`."""
    journal = Journal(path)
    journal.append([arrival(raw, at) for raw, at in zip(frames, received_at, strict=True)])
    journal.close()


def note(path: Path, key: str, value: Mapping[str, object]) -> None:
    """Keep what the service keeps for others."""
    journal = Journal(path)
    journal.put_state(key, value)
    journal.close()


def levels(findings: Sequence[Finding]) -> list[Level]:
    """How bad each is."""
    return [finding.level for finding in findings]


def only(findings: Sequence[Finding], level: Level) -> Finding:
    """The one finding of a level; it says what it means and what to do."""
    (found,) = [finding for finding in findings if finding.level is level]
    assert found.meaning
    assert found.remedy
    return found


Answering = Callable[[str, str], Sequence[str] | dns.rcode.Rcode | None]


class DnsServer:
    """On a port of its own at 127.0.0.1; `answering` gets a name without its last dot and a kind as "A".

    It gives addresses, a code such as NXDOMAIN, or None for no answer at all.
    """

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((HERE, 0))
        self.where: tuple[str, int] = self._socket.getsockname()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        # An empty datagram is no question and ends the thread.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closing:
            closing.sendto(b"", self.where)
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            data, sender = self._socket.recvfrom(4096)
            if not data:
                return
            try:
                question = dns.message.from_wire(data)
            except dns.exception.DNSException:
                continue
            asked = question.question[0]
            name, kind = asked.name.to_text().removesuffix("."), asked.rdtype.name
            said = self._answering(name, kind)
            if said is None:
                continue
            answer = dns.message.make_response(question)
            answer.flags |= dns.flags.RA
            if isinstance(said, dns.rcode.Rcode):
                answer.set_rcode(said)
            elif said:
                answer.answer.append(dns.rrset.from_text(asked.name, 60, "IN", kind, *said))
            self._socket.sendto(answer.to_wire(), sender)
