"""Collectors that get one thing wrong, over real connections: the simulator fails, and says why."""

import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
import trio

from collector.journal.reading import JournalReader
from collector.journal.writing import Journal
from collector.protocol.messages import read
from collector.record import Arrival
from collector.simulate import fleet, manifest
from collector.simulate.store import Record
from collector.simulate.tally import Tally
from collector.simulate.verify import Comparison, with_journal
from tests.simulate.peers import NOON, device, gateway, right_answer, rounds, served

PLAN = fleet.Plan(start=NOON, stop=NOON + timedelta(minutes=15), patience_s=0.2, control=False)


Handler = Callable[[trio.SocketStream], Awaitable[None]]


def answering(answer: Callable[[bytes], bytes]) -> Handler:
    """Reads whole frames and answers."""

    async def handle(stream: trio.SocketStream) -> None:
        buffer = b""
        async for data in stream:
            buffer += data
            while b"\n" in buffer:
                frame, _, buffer = buffer.partition(b"\n")
                await stream.send_all(answer(frame))

    return handle


async def outcome(handle: Handler, generation: str = "ecu-r-1") -> tuple[Tally, int]:
    """What a gateway with three records made of it, and how many it still holds."""
    tally = Tally()
    async with served(handle) as port:
        one = gateway(device(generation, tally), port)
        await fleet.run([one], PLAN)
    return tally, one.held


async def test_a_right_one_is_told_apart_from_the_wrong_ones() -> None:
    tally, held = await outcome(answering(right_answer))
    assert (tally.acknowledged, held, tally.faults) == (3, 0, [])


@pytest.mark.parametrize(("generation", "held"), [("ecu-r-1-wifi", 3), ("ecu-r-1", 0), ("linux-2017", 0)])
async def test_a_line_feed_after_the_answer(generation: str, held: int) -> None:
    tally, left = await outcome(answering(lambda frame: right_answer(frame) + b"\n"), generation)
    assert left == held
    fault = tally.faults[0]
    assert ("WiFi module's rule" if held else "behind the answer") in fault.rule
    assert fault.answer == b"101" + fault.sent[60:74] + b"\n"


async def test_the_time_stamp_of_another_record() -> None:
    def five_minutes_before(frame: bytes) -> bytes:
        return b"101%014d" % (int(frame[60:74]) - 500) if len(frame) > 22 else b"100"

    tally, held = await outcome(answering(five_minutes_before))
    assert held > 0
    assert "the record's own time stamp is not confirmed" in tally.faults[0].rule


async def test_no_answer_at_all() -> None:
    async def handle(stream: trio.SocketStream) -> None:
        async for _ in stream:
            pass

    tally, held = await outcome(handle)
    assert held == 3
    assert tally.unanswered["silent"] > 0


async def test_reads_of_1024_bytes_answer_before_the_record_is_there() -> None:
    async def handle(stream: trio.SocketStream) -> None:
        while data := await stream.receive_some(1024):
            if data.startswith(b"APS"):
                await stream.send_all(right_answer(data))

    tally = Tally()
    long = device("linux-2013", tally)
    long.add(rounds(1, model="YC500", inverters=20)[0])
    async with served(handle) as port:
        await gateway(long, port).client.perform(long.upload())
    assert tally.faults[0].rule == "an answer before the whole record was sent"


async def judged(folder: Path, handle: Callable[[Journal], Handler], inverters: int = 1) -> Comparison:
    """What `verify` says of such a collector's journal after three records, all of which it acknowledged."""
    acknowledged = list[Record]()
    sender = device("ecu-r-1", stored=acknowledged)
    for polled in rounds(3, inverters=inverters):
        sender.add(polled)
    journal = Journal(folder / "journal.db")
    journal.open()
    async with served(handle(journal)) as port:
        await gateway(sender, port).client.perform(sender.upload())
    journal.close()
    assert len(acknowledged) == 3
    with (folder / "manifest").open("w", encoding="utf-8") as out:
        for record in acknowledged:
            manifest.Manifest(out).add(sender.ecu, record)
    with JournalReader(journal.path) as reader:
        return with_journal(manifest.read(folder / "manifest"), reader)[0]


def keep(journal: Journal, frame: bytes) -> None:
    journal.append([Arrival(time.time_ns(), 8995, "127.0.0.1", read(frame))])


async def test_answering_before_storing_is_found_by_the_record_that_a_crash_cost(tmp_path: Path) -> None:
    def handle(journal: Journal) -> Handler:
        unsaved: list[bytes] = []

        async def serve(stream: trio.SocketStream) -> None:
            async for data in stream:
                frame = bytes(data).removesuffix(b"\n")
                await stream.send_all(right_answer(frame))
                # It gets to the one before; then comes the power cut.
                for late in unsaved:
                    keep(journal, late)
                unsaved[:] = [frame]

        return serve

    found = await judged(tmp_path, handle)
    assert (found.compared, found.missing, found.extra, found.different) == (3, 1, 0, 0)
    assert "acknowledged, and not in the journal" in found.examples[0]


async def test_reads_of_1024_bytes_are_found_by_what_is_kept_of_a_record(tmp_path: Path) -> None:
    def handle(journal: Journal) -> Handler:
        async def serve(stream: trio.SocketStream) -> None:
            while data := await stream.receive_some(1024):
                if data.startswith(b"APS"):
                    keep(journal, bytes(data))
                    await stream.send_all(right_answer(data))

        return serve

    found = await judged(tmp_path, handle, inverters=20)
    assert (found.missing, found.extra, found.different) == (0, 0, 3)
    assert "the journal has other bytes" in found.examples[0]


async def test_what_was_never_sent_is_extra(tmp_path: Path) -> None:
    def handle(journal: Journal) -> Handler:
        async def serve(stream: trio.SocketStream) -> None:
            async for data in stream:
                frame = bytes(data).removesuffix(b"\n")
                keep(journal, frame)
                keep(journal, frame[:60] + b"20200101000000" + frame[74:])
                await stream.send_all(right_answer(frame))

        return serve

    found = await judged(tmp_path, handle)
    assert (found.missing, found.extra, found.different) == (0, 3, 0)
