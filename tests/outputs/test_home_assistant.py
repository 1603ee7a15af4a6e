"""Home Assistant's statistics are the ledger's hours, whatever happened on the way."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.clock.stamps import NS
from collector.config.model import Config
from collector.journal.threaded import ThreadedJournal
from collector.journal.writing import Journal
from collector.ledger.reading import of_array, of_gateway
from collector.outputs.homeassistant import _sending, _session
from collector.outputs.homeassistant._faults import HomeAssistantError, TokenError
from collector.outputs.homeassistant._series import closed_before
from collector.outputs.homeassistant.output import StatisticsOutput
from tests.fake_home_assistant import TOKEN, FakeHomeAssistant, Mood
from tests.ledger.books import Books
from tests.samples import ECU, UID, config, frame, ns, optimizer, utc, yc600

OTHER = "216000999999"
NEW = "408000000009"
OURS = f"apsystems_collector:ecu_{ECU}"
LATER = ns("2027-01-10T12:30:00Z")


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return Books(tmp_path / "journal.db", zone="UTC")


def with_home_assistant(books: Books, url: str, **keys: object) -> Config:
    token = books.path.with_name("token")
    if not token.exists():
        token.write_text(f"{TOKEN}\n")
    return config(
        books.path,
        site={"name": "Home", "timezone": books.zone},
        ecu=books.ecus,
        inverter=books.inverters,
        homeassistant={"url": url, "token_file": token, **keys},
    )


async def round_with(books: Books, url: str, now: int, **keys: object) -> StatisticsOutput:
    """One round of the output of a service that has just started."""
    journal = ThreadedJournal(Journal(books.path), trio.CapacityLimiter(1))
    await journal.write(Journal.open)
    output = StatisticsOutput(with_home_assistant(books, url, **keys), journal, lambda: now)
    try:
        await output.round()
    finally:
        await journal.close()
    return output


def send(books: Books, there: FakeHomeAssistant, now: int = LATER, **keys: object) -> None:
    """One round. Raises HomeAssistantError."""

    async def work() -> HomeAssistantError | None:
        there.port = 0
        async with there.serving():
            try:
                await round_with(books, there.url, now, **keys)
            except HomeAssistantError as exc:
                return exc
        return None

    if error := trio.run(work):
        raise error


def in_the_ledger(books: Books, place: str, now: int = LATER) -> dict[datetime, int]:
    """The mWh of each closed hour in which there was any: AC, or DC where there is no AC side."""
    with books.ledger() as ledger:
        found = {
            datetime.fromtimestamp(hour.start / NS, UTC): hour.energy.ac_mwh or hour.energy.dc_mwh
            for hour in ledger.hours_from(place, 0)
            if hour.start < closed_before(now)
        }
    return {start: mwh for start, mwh in found.items() if mwh}


def assert_same(books: Books, there: FakeHomeAssistant, now: int = LATER) -> None:
    """All gateways' hours are there, one after the other, with the energy of each."""
    with books.ledger() as ledger:
        gateways = ledger.gateways()
    for ecu in gateways:
        name = f"apsystems_collector:ecu_{ecu}"
        expected = in_the_ledger(books, of_gateway(ecu), now)
        assert there.changes_mwh(name) == expected
        starts = list(there.sums(name))
        assert starts == [starts[0] + timedelta(hours=hour) for hour in range(len(starts))] if starts else not expected


def days(first: str, count: int, *, wh: float = 100.0, ecu: str = ECU, uid: str = UID) -> list[bytes]:
    """A record at ten and one at noon of each day."""
    begin = datetime.fromisoformat(first)
    return [
        frame(f"{begin + timedelta(days=day):%Y%m%d}{time}", yc600(uid, wh=(wh, wh + day)), ecu=ecu)
        for day in range(count)
        for time in ("100000", "120500")
    ]


def test_home_assistant_holds_every_hour_with_its_energy_and_the_counters_reading(books: Books) -> None:
    books = replace(books, inverters=({"id": UID, "start_kwh": 5000.0},))
    books.store(*days("2026-06-20", 3), *days("2026-06-21", 2, ecu=OTHER, uid=NEW))
    books.count()
    there = FakeHomeAssistant()
    send(books, there)
    assert_same(books, there)
    last_sum, last_state = there.rows[OURS][max(there.rows[OURS])]
    with books.ledger() as ledger:
        assert last_state == ledger.lifetime(of_gateway(ECU)).ac_kwh == pytest.approx(last_sum + 5000)
    assert there.metadata[OURS]["name"] == f"ECU {ECU} solar energy"


@pytest.mark.parametrize("version", ["2025.4.4", "2025.10.4", "2025.11.0", "2026.11.0", "2026.12.0.dev0"])
def test_each_version_gets_the_form_that_it_takes(books: Books, version: str) -> None:
    books.store(*days("2026-06-20", 1))
    books.count()
    there = FakeHomeAssistant(version=version)
    send(books, there)
    assert_same(books, there)


def test_an_hour_is_sent_once_it_is_over_and_its_last_records_have_come(books: Books) -> None:
    books.store(*(frame(f"202606211{time}", yc600()) for time in ("05500", "10000", "15500")))
    books.count()
    there = FakeHomeAssistant()
    send(books, there, ns("2026-06-21T12:05:59Z"))
    assert list(there.sums(OURS)) == [utc("2026-06-21T10:00:00Z")]
    send(books, there, ns("2026-06-21T12:06:00Z"))
    assert list(there.sums(OURS)) == [utc("2026-06-21T10:00:00Z"), utc("2026-06-21T11:00:00Z")]
    assert there.imports == [1, 1]


def test_what_was_in_an_open_hour_at_the_last_look_is_not_forgotten(books: Books) -> None:
    books.store(frame("20260621105500", yc600()), frame("20260621110100", yc600()))
    books.count()
    there = FakeHomeAssistant()
    send(books, there, ns("2026-06-21T11:06:00Z"))
    # Nothing has come since, but the hour is over now.
    send(books, there, ns("2026-06-21T12:06:00Z"))
    assert_same(books, there, ns("2026-06-21T12:06:00Z"))


def test_a_night_is_filled_in_with_the_next_morning(books: Books) -> None:
    books.store(frame("20260621195500", yc600()))
    books.count()
    there = FakeHomeAssistant()
    send(books, there, ns("2026-06-22T04:06:00Z"))
    assert there.imports == [1]
    books.store(frame("20260622050500", yc600()))
    books.count()
    send(books, there, ns("2026-06-22T06:06:00Z"))
    assert there.imports == [1, 10]
    assert_same(books, there)


def test_a_late_day_lands_in_its_hours_and_all_from_there_on_are_sent_again(books: Books) -> None:
    books.store(*days("2026-06-01", 3), *days("2026-06-05", 2))
    books.count()
    there = FakeHomeAssistant()
    send(books, there)
    books.store(*days("2026-06-04", 1, wh=300.0))
    books.count()
    send(books, there)
    assert_same(books, there)
    # From ten o'clock of the 4th to noon of the 6th.
    assert there.imports[-1] == 2 * 24 + 3


def test_a_day_before_all_others_moves_the_beginning(books: Books) -> None:
    books.store(*days("2026-06-10", 2))
    books.count()
    there = FakeHomeAssistant()
    send(books, there)
    books.store(*days("2026-05-01", 1))
    books.count()
    send(books, there)
    assert_same(books, there)


def test_a_home_assistant_that_was_set_back_to_a_backup_gets_all_once_more(books: Books) -> None:
    books.store(*days("2026-06-10", 2))
    books.count()
    there = FakeHomeAssistant()
    send(books, there)
    there.rows[OURS] = dict(list(there.rows[OURS].items())[:5])
    books.store(*days("2026-06-12", 1))
    books.count()
    send(books, there)
    assert_same(books, there)
    there.rows.clear()
    books.store(*days("2026-06-13", 1))
    books.count()
    send(books, there)
    assert_same(books, there)


def test_a_new_journal_goes_on_where_the_one_before_has_ended(books: Books, tmp_path: Path) -> None:
    books.store(*days("2026-06-10", 2))
    books.count()
    there = FakeHomeAssistant()
    send(books, there)
    before = there.changes_mwh(OURS)
    anew = replace(books, path=tmp_path / "anew.db")
    anew.store(*days("2026-06-20", 2))
    anew.count()
    send(anew, there)
    anew.store(*days("2026-06-22", 1))
    anew.count()
    send(anew, there)
    assert there.changes_mwh(OURS) == before | in_the_ledger(anew, of_gateway(ECU))


def test_a_replaced_inverter_and_a_replaced_gateway_go_on_in_one_series(books: Books) -> None:
    books.store(*days("2026-06-10", 2))
    books.count()
    there = FakeHomeAssistant()
    send(books, there)
    replaced = replace(books, ecus=({"id": OTHER, "replaces": ECU},), inverters=({"id": NEW, "replaces": UID},))
    replaced.store(*days("2026-06-12", 2, ecu=OTHER, uid=NEW))
    replaced.count()
    send(replaced, there)
    assert list(there.rows) == [OURS]
    assert_same(replaced, there)
    assert len(there.changes_mwh(OURS)) == 8


def test_arrays_have_series_and_panels_only_where_the_owner_wants_them(books: Books) -> None:
    panels = [{"channel": 1, "name": "South 1", "array": "South"}, {"channel": 2, "name": "North 1", "array": "Nörd"}]
    books = replace(books, inverters=({"id": UID, "panels": panels},))
    books.store(*days("2026-06-10", 2))
    books.count()
    there = FakeHomeAssistant()
    send(books, there)
    arrays = {"apsystems_collector:array_home_south": "South", "apsystems_collector:array_home_nord": "Nörd"}
    assert set(there.rows) == {OURS, *arrays}
    for name, array in arrays.items():
        assert there.changes_mwh(name) == in_the_ledger(books, of_array(array))
    send(books, there, panels=True)
    one = f"apsystems_collector:panel_{UID}_1"
    assert there.changes_mwh(one) == in_the_ledger(books, f"{UID}/1")
    assert there.metadata[one]["name"] == "South 1 solar energy, DC"


def test_an_array_that_is_put_together_otherwise_is_sent_again(books: Books) -> None:
    def with_arrays(*arrays: str) -> Books:
        panels = [{"channel": number, "array": array} for number, array in enumerate(arrays, 1)]
        return replace(books, inverters=({"id": UID, "panels": panels},))

    books = with_arrays("South", "West")
    books.store(*days("2026-06-10", 2))
    books.count()
    there = FakeHomeAssistant()
    send(books, there)
    books = with_arrays("South", "South")
    send(books, there)
    assert there.changes_mwh("apsystems_collector:array_home_south") == in_the_ledger(books, of_array("South"))


def test_names_of_arrays_that_would_be_one_word_stay_two_series(books: Books) -> None:
    panels = [{"channel": 1, "array": "South 1"}, {"channel": 2, "array": "South-1"}]
    books = replace(books, inverters=({"id": UID, "panels": panels},))
    books.store(*days("2026-06-10", 1))
    books.count()
    there = FakeHomeAssistant()
    send(books, there)
    assert len(there.rows) == 3


def test_where_there_is_no_ac_side_the_panels_energy_counts(books: Books) -> None:
    books.store(*(frame(f"202606211{hour}0000", optimizer(), version=16) for hour in range(2)))
    books.count()
    there = FakeHomeAssistant()
    send(books, there)
    assert_same(books, there)
    assert there.changes_mwh(OURS)


def test_no_command_has_more_than_2000_rows(books: Books) -> None:
    books.store(*days("2026-01-01", 1), *days("2026-06-21", 1))
    books.count()
    there = FakeHomeAssistant()
    send(books, there)
    assert there.imports == [2000, 2000, 171 * 24 + 3 - 4000]
    assert_same(books, there)


def test_one_that_breaks_off_goes_on_where_it_was(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sending, "AT_ONCE", 20)
    books.store(*days("2026-06-10", 3))
    books.count()
    # The last hour before it is asked for, then each twenty rows are sent and looked at.
    there = FakeHomeAssistant(mood=Mood.RESET, good_for=5)
    with pytest.raises(HomeAssistantError):
        send(books, there)
    assert there.imports == [20, 20]
    there.mood = Mood.WELL
    send(books, there)
    assert there.imports == [20, 20, 11]
    assert_same(books, there)


def test_nobody_is_bothered_while_there_is_nothing_new(books: Books) -> None:
    books.store(*days("2026-06-10", 2))
    books.count()
    there = FakeHomeAssistant()

    async def work() -> None:
        journal = ThreadedJournal(Journal(books.path), trio.CapacityLimiter(1))
        await journal.write(Journal.open)
        async with there.serving():
            output = StatisticsOutput(with_home_assistant(books, there.url), journal, lambda: LATER)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(output.run)
                while not output.health.connected:  # noqa: ASYNC110 (it tells nobody)
                    await trio.sleep(0.01)
                await output.round()
                await output.round()
                nursery.cancel_scope.cancel()
        health = output.health
        assert (health.name, health.waiting, health.last_error) == ("homeassistant", 0, "")
        assert health.last_sent == LATER
        await journal.close()

    trio.run(work)
    assert there.greeted == 1


MOODS = st.sampled_from((Mood.WELL, Mood.WELL, Mood.RESET, Mood.REFUSE, Mood.FORGET))
HOURS = st.builds("{:02}{:02}".format, st.integers(1, 28), st.integers(0, 23))


@pytest.mark.slow
@settings(max_examples=15)
@given(
    st.lists(
        st.tuples(
            st.lists(st.tuples(HOURS, st.sampled_from((ECU, OTHER)), st.sampled_from((1.0, 50.5, 99.999))), max_size=4),
            MOODS,
            st.integers(0, 6),
            st.booleans(),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_after_outages_and_late_data_in_any_order_home_assistant_holds_the_ledger(
    steps: Sequence[tuple[list[tuple[str, str, float]], Mood, int, bool]],
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(_sending, "LOOKS_S", (0.0,))
        patch.setattr(_sending, "AT_ONCE", 50)
        books = Books(Path(folder) / "journal.db", zone="UTC")
        books.store(frame("20260605120000", yc600()))
        there = FakeHomeAssistant()
        for number, (records, mood, good_for, is_lost) in enumerate(steps):
            for order, (hour, ecu, wh) in enumerate(records):
                inverter = yc600(UID if ecu == ECU else NEW, wh=(wh, wh))
                books.store(frame(f"202606{hour}{number:02}{order:02}", inverter, ecu=ecu))
            books.count()
            if is_lost:
                there.rows.clear()
            there.mood, there.good_for = mood, good_for
            try:
                send(books, there)
            except HomeAssistantError:
                assert mood is not Mood.WELL
        there.mood = Mood.WELL
        # What was lost since is seen when the next hour is sent.
        books.store(frame("20260701120000", yc600(), ecu=ECU), frame("20260701120000", yc600(NEW), ecu=OTHER))
        books.count()
        send(books, there)
        assert_same(books, there)


FAULTS = {
    Mood.HANG: "gives no answer in time",
    Mood.MUTE: "gives no answer in time",
    Mood.RESET: "has closed the connection",
    Mood.REFUSE: "refuses a command (unknown_error",
    Mood.BABBLE: "does not speak JSON",
    Mood.FORGET: "does not show it",
}


@pytest.mark.parametrize("mood", FAULTS)
def test_what_home_assistant_does_wrong_is_told_and_costs_time_only(
    books: Books, mood: Mood, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_sending, "LOOKS_S", (0.0,))
    if mood in (Mood.HANG, Mood.MUTE):
        monkeypatch.setattr(_session, "ANSWER_S", 0.1)
    books.store(*days("2026-06-10", 2))
    books.count()
    there = FakeHomeAssistant(mood=mood)
    with pytest.raises(HomeAssistantError) as caught:
        send(books, there)
    assert FAULTS[mood] in caught.value.reason
    assert caught.value.remedy
    monkeypatch.undo()
    there.mood = Mood.WELL
    send(books, there)
    assert_same(books, there)


def test_a_token_that_is_refused_is_tried_again_only_when_it_was_changed(books: Books) -> None:
    books.store(*days("2026-06-10", 1))
    books.count()
    token = books.path.with_name("token")
    token.write_text("of-another-house")
    there = FakeHomeAssistant()
    with pytest.raises(TokenError, match="refuses the token: in Home Assistant make a long-lived"):
        send(books, there)
    for odd in ("", "two words", "\0"):
        token.write_text(odd)
        with pytest.raises(TokenError, match="no token in"):
            send(books, there)
    token.write_text(TOKEN)
    send(books, there)
    assert_same(books, there)


def test_a_user_who_is_no_administrator_is_told_of(books: Books) -> None:
    books.store(*days("2026-06-10", 1))
    books.count()
    with pytest.raises(HomeAssistantError, match="make the token as a user who is an administrator"):
        send(books, FakeHomeAssistant(is_admin=False))
