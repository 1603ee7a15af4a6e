"""What is said to the cloud, and what comes of it: dialogues in the steps of a gateway. No socket and no clock.

Whatever comes in reply is judged by `collector.client`, as a gateway judges it. What acknowledges nothing is handed on
as `foreign`.
"""

from dataclasses import dataclass, replace
from typing import Final

from collector.client.acceptance import Answer, Receipt, Unacceptable, status_receipt
from collector.client.dialogue import Close, Connect, Dialogue, Receive, Send
from collector.client.exchange import BROKEN, Heard, read_answer, read_reply, status_question, stored_question
from collector.client.firmware import GENERATIONS, Reading
from collector.journal.mirroring import MOST_BYTES, Outcome, Parcel

# The rules of the Linux gateways, who ask again until all that is stored was named; but each record has a connection of
# its own, as newer ones do it, an answer may be JSON, and what follows a reply is read as well, so that it is not
# missed.
RULES: Final = replace(
    GENERATIONS["linux-2017"],
    name="mirror",
    json=True,
    per_record=True,
    answer_s=30.0,
    reply_s=10.0,
    reading=Reading.TO_THE_COUNT,
)
# A gateway reads nothing after a report. So long we look whether something comes all the same.
_AFTER_A_REPORT_S: Final = 2.0
# How often the question is asked in a row. The other side names up to 99 records each time.
_MOST_QUESTIONS: Final = 20

STATUS: Final = "A123"


@dataclass(frozen=True, slots=True)
class Said:
    """What came of sending: the outcome, None without a connection; and what came that acknowledges nothing."""

    outcome: Outcome | None
    foreign: bytes = b""


@dataclass(frozen=True, slots=True)
class Stored:
    """The answer to the question for what is stored: the time stamps, None without a usable answer."""

    times: frozenset[str] | None
    fault: str = ""
    foreign: bytes = b""


NOT_CONNECTED: Final = Said(None)


def deliver(parcel: Parcel) -> Dialogue[Said]:
    """Send a record on a connection of its own."""
    if (yield Connect(control=parcel.is_control)) is None:
        return NOT_CONNECTED
    early = yield Send(parcel.raw + b"\n", RULES.piece_bytes)
    if early is None:
        said = _failed(BROKEN)
    elif not parcel.is_control:
        said = _judged((yield from read_answer(RULES, early, MOST_BYTES)))
    elif parcel.command == STATUS:
        said = _status(early + (yield from read_reply(RULES)))
    else:
        came = early or (yield Receive(_AFTER_A_REPORT_S, MOST_BYTES))
        said = Said(Outcome(received=True, settled=True), came or b"")
    yield Close()
    return said


def ask_for_stored(ecu: str, *, as_json: bool) -> Dialogue[Stored | None]:
    """Which records of a gateway are stored? None without a connection."""
    if (yield Connect()) is None:
        return None
    question = stored_question(ecu, as_json=as_json)
    times: frozenset[str] = frozenset()
    for _ in range(_MOST_QUESTIONS):
        if (yield Send(question + b"\n")) is None:
            return Stored(None, BROKEN)
        heard = yield from read_answer(RULES, b"", RULES.query_bytes)
        if heard.answer is None:
            yield Close()
            return Stored(None, *_told(heard))
        if times.issuperset(heard.answer.times):
            break
        times = times.union(heard.answer.times)
    yield Close()
    return Stored(times)


def ask_for_status(ecu: str) -> Dialogue[Stored | None]:
    """Which A123 records of a gateway are stored? None without a connection."""
    if (yield Connect(control=True)) is None:
        return None
    reply = b""
    if (yield Send(status_question(ecu) + b"\n")) is not None:
        reply = yield from read_reply(RULES)
    yield Close()
    receipt, fault = _receipt(reply)
    return Stored(None, fault, reply) if receipt is None else Stored(frozenset(receipt.times if receipt.stored else ()))


def _judged(heard: Heard) -> Said:
    answer = heard.answer
    if answer is None:
        fault, foreign = _told(heard)
        return _failed(fault, foreign)
    if not answer.received:
        return _failed("an answer that does not say received", heard.raw)
    return Said(Outcome(received=True, times=answer.times), _excess(answer))


def _excess(answer: Answer) -> bytes:
    # A line feed is a habit, and nothing to be told of.
    return answer.excess.strip(b"\r\n")


def _told(heard: Heard) -> tuple[str, bytes]:
    """Why there was no answer, and what came in its place."""
    if heard.raw:
        return "an answer that no gateway accepts", heard.raw
    return heard.ended, b""


def _status(reply: bytes) -> Said:
    receipt, fault = _receipt(reply)
    if receipt is None:
        return _failed(fault, reply)
    return Said(Outcome(received=True, times=receipt.times if receipt.stored else ()))


def _receipt(reply: bytes) -> tuple[Receipt | None, str]:
    if not reply:
        return None, "no reply"
    try:
        return status_receipt(reply, RULES), ""
    except Unacceptable as exc:
        return None, f"thrown away: {exc}"


def _failed(fault: str, foreign: bytes = b"") -> Said:
    return Said(Outcome(fault=fault), foreign)
