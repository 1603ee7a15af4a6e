"""One question and what comes of it, as a gateway reads it: for a simulated one, and for the mirror of a real one.

A generator here yields the steps of `dialogue` on a connection that is open. It keeps no state and judges by the
firmware alone; what becomes of a record is its caller's.
"""

from dataclasses import dataclass

from collector.client.acceptance import Answer, Unacceptable, data_answer, declared_length
from collector.client.dialogue import Dialogue, Receive
from collector.client.firmware import Firmware, Reading
from collector.protocol.fields import with_length

# How an exchange ended that brought no answer.
BROKEN, CLOSED, SILENT = "broken", "closed", "silent"

# As many bytes of a reply on the control port as any firmware has room for.
MOST_OF_A_REPLY = 2048
_READ_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Heard:
    """What came back: all bytes that were read; the `answer`, None where none was accepted; the `fault` that another
    side must not have; and how it `ended` without an answer.
    """

    raw: bytes = b""
    answer: Answer | None = None
    fault: str = ""
    ended: str = ""


def read_answer(firmware: Firmware, buffer: bytes, most: int) -> Dialogue[Heard]:
    """Read the answer on a data port by this firmware's rule; `buffer` is what came before, `most` what it has room
    for.
    """
    while True:
        try:
            answer = data_answer(buffer, firmware) if buffer else None
        except Unacceptable as exc:
            return Heard(buffer, fault=f"thrown away: {exc}")
        if answer is not None:
            return Heard(buffer, answer, f"{answer.excess!r} behind the answer" if answer.excess else "")
        came = (yield Receive(firmware.answer_s, most - len(buffer))) if len(buffer) < most else b""
        if not came:
            fault = "never became a complete answer" if buffer else ""
            return Heard(buffer, None, fault, SILENT if came is None else CLOSED)
        buffer += came


def read_reply(firmware: Firmware) -> Dialogue[bytes]:
    """Read a reply on the control port as this firmware does; b"" when there was none."""
    most = _READ_AT_ONCE if firmware.reading is Reading.IN_FOURS else MOST_OF_A_REPLY
    buffer = b""
    while True:
        came = yield Receive(firmware.reply_s, most)
        if not came:
            return buffer
        buffer += came
        declared = declared_length(buffer)
        if firmware.reading is Reading.ONE_SEGMENT or len(buffer) >= MOST_OF_A_REPLY:
            return buffer
        if declared is None:
            continue
        if len(buffer) == declared or (len(buffer) > declared and firmware.reading is Reading.IN_FOURS):
            return buffer


def stored_question(ecu: str, *, as_json: bool) -> bytes:
    """Which records are stored? Without its line feed."""
    return f'{{"EID":"{ecu}",}}'.encode() if as_json else f"APS13AAA22{ecu}".encode()


def status_question(ecu: str) -> bytes:
    """Which A123 records are stored? Without its line feed."""
    return with_length(f"APS1300000A123AAA0{ecu}{'0' * 18}END", "0").encode("ascii")
