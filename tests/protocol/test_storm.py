"""Who asks the same thing too often gets silence, and nobody else does."""

from collections.abc import Iterator

import pytest

from collector.protocol import storm
from collector.protocol.kinds import PROBE_ECU, Message
from collector.protocol.messages import read
from collector.protocol.storm import MOST_WITHIN_WINDOW, WINDOW_S, StormGuard
from tests.protocol.helpers import ECU, NIGHT_QUERY, POLL, TIME, control, record

OTHER_ECU = "216000999999"


def status_record(time: str = TIME) -> Message:
    """An A123 record."""
    return read(control("A123", f"0001{time}END{'4080000000010700000'}END", sequence="AAA1", version="15"))


def verdicts(message: Message, times: Iterator[float] | list[float], storm_guard: StormGuard) -> list[bool]:
    """Ask at each of these times."""
    return [storm_guard.allows(message, now) for now in times]


def test_the_first_five_within_the_window_are_answered_and_the_sixth_is_not() -> None:
    assert verdicts(read(POLL), [0, 1, 2, 3, 4, 5, 6], StormGuard()) == [True] * MOST_WITHIN_WINDOW + [False] * 2


def test_a_poll_at_the_usual_pace_is_answered_for_ever() -> None:
    assert all(verdicts(read(POLL), [900.0 * turn for turn in range(100)], StormGuard()))


def test_a_storm_gets_silence_for_as_long_as_it_lasts_and_an_answer_when_it_is_over() -> None:
    storm_guard = StormGuard()
    storm = verdicts(read(POLL), [turn / 10 for turn in range(3000)], storm_guard)
    assert storm.count(True) == MOST_WITHIN_WINDOW
    assert storm_guard.allows(read(POLL), 299.9 + WINDOW_S)


def test_a_request_that_is_just_as_old_as_the_window_no_longer_counts() -> None:
    storm_guard = StormGuard()
    verdicts(read(POLL), [0, 10, 10, 10, 10], storm_guard)
    assert storm_guard.allows(read(POLL), WINDOW_S)
    assert not storm_guard.allows(read(POLL), WINDOW_S + 1)


def test_a_storm_of_one_gateway_does_not_silence_another() -> None:
    storm_guard = StormGuard()
    verdicts(read(POLL), [0.0] * 50, storm_guard)
    assert storm_guard.allows(read(POLL.replace(ECU.encode(), OTHER_ECU.encode())), 0)


def test_a_storm_of_polls_does_not_silence_the_same_gateways_records() -> None:
    storm_guard = StormGuard()
    verdicts(read(POLL), [0.0] * 50, storm_guard)
    assert storm_guard.allows(status_record(), 0)


def test_a_backlog_of_different_status_records_is_no_storm() -> None:
    storm_guard = StormGuard()
    assert all(storm_guard.allows(status_record(f"202606211{minute:02d}000"), 0) for minute in range(60))


def test_the_same_status_record_again_and_again_is_a_storm() -> None:
    assert verdicts(status_record(), [0.0] * 6, StormGuard()) == [True] * 5 + [False]


def test_an_updates_result_is_answered_at_every_poll_and_not_in_a_storm() -> None:
    result = read(control("A147", f"0001{TIME}END40800000000100005203{TIME}"))
    assert all(verdicts(result, [900.0 * turn for turn in range(100)], StormGuard()))
    assert verdicts(result, [0.0] * 6, StormGuard()) == [True] * 5 + [False]


def test_reports_that_want_no_answer_are_never_counted() -> None:
    storm_guard = StormGuard()
    report = read(control("A147", f"0001{'0' * 14}END40800000000100005203{TIME}"))
    assert all(verdicts(report, [0.0] * 100, storm_guard))


def test_the_probe_may_poll_at_will_and_may_ask_nothing_else_more_often_than_a_gateway() -> None:
    probe, gateway = PROBE_ECU.encode(), ECU.encode()
    assert all(verdicts(read(POLL.replace(gateway, probe)), [0.0] * 100, StormGuard()))
    other = read(status_record().raw.replace(gateway, probe))
    assert other.ecu == PROBE_ECU
    assert verdicts(other, [0.0] * 6, StormGuard()) == [True] * 5 + [False]


@pytest.mark.parametrize("raw", [record().encode(), NIGHT_QUERY], ids=["record", "night query"])
def test_what_comes_in_on_the_data_ports_is_never_held_back(raw: bytes) -> None:
    assert all(verdicts(read(raw), [0.0] * 100, StormGuard()))


def test_only_so_many_gateways_are_remembered_and_the_most_silent_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(storm, "_REMEMBERED", 3)
    storm_guard = StormGuard()
    polls = [read(POLL.replace(ECU.encode(), f"21600000000{digit}".encode())) for digit in range(4)]
    for poll in polls[:3]:
        verdicts(poll, [0.0] * 5, storm_guard)
    assert not storm_guard.allows(polls[0], 1)
    assert storm_guard.allows(polls[3], 1), "the fourth is new, and pushes the second out"
    assert not storm_guard.allows(polls[0], 2)
    assert storm_guard.allows(polls[1], 2)
