"""Records decoded for delivery: what waits until the owner accepts it, and when the journal is asked for that."""

from collections.abc import Sequence

from collector.config.names import Names
from collector.newcomers import MOST_INVERTERS_OF_A_GATEWAY, Found, Inverters, Novelty, Welcome
from collector.points.decoding import Decoded
from collector.points.record_decoder import RecordDecoder
from collector.protocol.blocks import Inverter
from tests.samples import ECU, TIME, config, frame, ns, stored, yc600

NOW = ns("2026-06-21T10:42:00Z")


class Journal:
    """Says what it is told to, whatever it is asked, and counts the questions."""

    def __init__(self) -> None:
        self.found = Found()
        self.asked = 0

    async def look_up(self, _record: int, _unknown: Sequence[Novelty]) -> Found:
        self.asked += 1
        return self.found


def some(count: int, first: int = 0) -> list[Inverter]:
    return [yc600(f"4080{number:08d}") for number in range(first, first + count)]


def ids(decoded: Decoded) -> set[str]:
    return {point.tags[1] for point in decoded.points if point.measurement == "inverter"}


def uids(inverters: list[Inverter]) -> set[str]:
    return {inverter.uid for inverter in inverters}


def decoder(welcome: Welcome | None = None, **known: int) -> RecordDecoder:
    first_seen = {(ECU, "inverter", uid.removeprefix("_")): record for uid, record in known.items()}
    return RecordDecoder(Names(config()), first_seen, Inverters(welcome or Welcome()))


async def test_what_is_beyond_the_bound_is_left_out_and_named_and_the_rest_is_there() -> None:
    journal, inverters = Journal(), some(MOST_INVERTERS_OF_A_GATEWAY + 2)
    admitting = decoder()
    decoded = await admitting.decode_admitted(stored(frame(TIME, *inverters), NOW), journal.look_up, NOW)
    *let_in, first, second = inverters
    assert ids(decoded) == uids(let_in)
    assert decoded.waiting == ((ECU, "inverter", first.uid), (ECU, "inverter", second.uid))
    assert {name for _, _, name in decoded.novelties} == uids(let_in)
    # Neither has an event that says it is new: that one comes with its points.
    assert sum(point.measurement == "event" for point in decoded.points) == len(let_in)

    again = await admitting.decode_admitted(
        stored(frame("20260621124500", *inverters), NOW, identity=2), journal.look_up, NOW
    )
    assert ids(again) == uids(let_in)
    assert again.novelties == ()
    assert again.waiting == decoded.waiting


async def test_the_journal_is_asked_only_where_something_is_unknown() -> None:
    journal = Journal()
    admitting = decoder(_408000000000=7)
    for time in (TIME, "20260621124500"):
        decoded = await admitting.decode_admitted(stored(frame(time, *some(1)), NOW), journal.look_up, NOW)
        assert ids(decoded) == uids(some(1))
    assert journal.asked == 0
    for time in (TIME, "20260621124500"):
        await admitting.decode_admitted(stored(frame(time, *some(2)), NOW), journal.look_up, NOW)
    assert journal.asked == 1


async def test_what_waits_is_in_no_record_until_the_journal_says_that_it_is_accepted() -> None:
    journal = Journal()
    admitting = decoder()
    journal.found = Found(waiting=frozenset(uids(some(1))))
    record = stored(frame(TIME, *some(2)), NOW)
    decoded = await admitting.decode_admitted(record, journal.look_up, NOW)
    assert ids(decoded) == uids(some(1, first=1))
    journal.found = Found(accepted=frozenset(uids(some(1))))
    decoded = await admitting.decode_admitted(record, journal.look_up, NOW)
    assert ids(decoded) == uids(some(2))
    assert decoded.waiting == ()


async def test_configured_inverters_and_all_where_everyone_is_welcome_are_let_in_unasked() -> None:
    journal, inverters = Journal(), some(400)
    for welcome in (Welcome(everyone=True), Welcome(inverters=frozenset(uids(inverters)))):
        decoded = await decoder(welcome).decode_admitted(stored(frame(TIME, *inverters), NOW), journal.look_up, NOW)
        assert ids(decoded) == uids(inverters)
    assert journal.asked == 0
