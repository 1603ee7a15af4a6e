"""Days that were brought along in a real InfluxDB: the vendor's sums, and never beside the gateway's own points."""

import itertools
import json
import tempfile
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from random import Random
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import pytest
import trio
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from collector.delivery.imported import ImportedDays
from collector.errors import SinkUnavailable
from collector.export.days import Export
from collector.journal.import_writing import Brought, Imports
from collector.journal.imported import ENERGY, POWER, listed, marked_count
from collector.journal.job_writing import Jobs
from collector.journal.jobs import REPLAY, Request
from collector.journal.reading import JournalReader
from collector.journal.writing import Journal
from tests.brought import DAY, NEXT, curve, month
from tests.conftest import Influx
from tests.ledger.books import Books
from tests.rolling import RECEIVED, Daily, Yard, empty_yard
from tests.samples import ECU, UID, frame, ns, yc600

_T = TypeVar("_T")
_gateways = itertools.count(216_500_000_000)
MIDNIGHT = ns("2026-06-19T22:00:00Z")


@pytest.fixture
def yard(influx: Influx, tmp_path: Path) -> Iterator[Yard]:
    """A journal and an InfluxDB, empty."""
    with empty_yard(influx, tmp_path) as found:
        yield found


class InThisThread:
    """A yard as the task sees it. After so many writes more, InfluxDB is away."""

    def __init__(self, yard: Yard) -> None:
        self.yard = yard
        self.writes_left = 1000

    async def read(self, query: Callable[[JournalReader], _T]) -> _T:
        with JournalReader(self.yard.path) as reader:
            return query(reader)

    async def write(self, change: Any) -> Any:  # noqa: ANN401 (lines of InfluxDB's, or a change of the journal)
        if isinstance(change, bytes):
            if not self.writes_left:
                raise SinkUnavailable("away")
            self.writes_left -= 1
            return self.yard.sink.write(change)
        with self.yard.journal() as journal:
            return change(journal)

    async def delete(self, start: datetime, stop: datetime, predicate: str) -> None:
        self.yard.sink.delete(start, stop, predicate)

    async def delete_days(self, start: datetime, stop: datetime, predicate: str) -> None:
        self.yard.sink.delete(start, stop, predicate, bucket=self.yard.influx.rollup_bucket)

    async def measurements(self, ecu: str, start: datetime, stop: datetime) -> Collection[str]:
        return self.yard.sink.measurements(ecu, start, stop)


def keep(yard: Yard, *brought: Brought) -> None:
    with yard.journal() as journal:
        Imports(journal).keep(brought, RECEIVED)


def bring(yard: Yard, *, writes: int = 1000) -> bool:
    """Let the task do all, or so many writes, and compute the days; whether it came to an end."""

    async def work() -> bool:
        ways = InThisThread(yard)
        ways.writes_left = writes
        days = ImportedDays(ways, ways, yard.names, now_ns=lambda: RECEIVED)
        try:
            while await days.step():
                yard.roll_up()
        except SinkUnavailable:
            return False
        return True

    return trio.run(work)


def ecu_days(daily: Daily) -> dict[int, dict[str, float | int]]:
    return {at: fields for (measurement, _, at), fields in daily.items() if measurement == "ecu_day"}


def test_a_days_roll_up_is_the_vendors_and_says_so(yard: Yard) -> None:
    keep(yard, month([1.234, 0.777]), curve())
    assert bring(yard)
    found = ecu_days(yard.daily())
    assert [fields["energy_wh"] for fields in found.values()] == [1234.0, 777.0]
    assert [fields["ac_energy_wh"] for fields in found.values()] == [1234.0, 777.0]
    # Of 360 W for five minutes there is far less, and of the second day nothing is known but its energy.
    assert [fields["imported"] for fields in found.values()] == [2, 1]
    assert found[MIDNIGHT]["import_factor"] == pytest.approx(1234 / 30, abs=0.001)
    assert found[MIDNIGHT]["peak_power_w"] == 240
    assert "peak_power_w" not in found[MIDNIGHT + 86_400 * 10**9]
    assert yard.energies() == {f"{UID}-1": 2011.0}
    assert yard.energies("inverter", "inverter_day") == {UID: 2011.0}


def test_a_second_look_changes_nothing(yard: Yard) -> None:
    keep(yard, month([1.234, 0.777]), curve())
    bring(yard)
    before = yard.daily()
    keep(yard, month([1.234, 0.777]), curve())
    with JournalReader(yard.path) as reader:
        assert marked_count(reader) == 0
    bring(yard)
    assert yard.daily() == before


def test_a_gateway_as_a_whole_has_days_without_inverters(yard: Yard) -> None:
    content = b"2026-06-20,12.5\n"
    whole = Brought(kind="file", key="1", about='{"place": "site"}', ecu=ECU, body=content, days=[DAY])
    keep(yard, whole)
    bring(yard)
    (fields,) = ecu_days(yard.daily()).values()
    assert (fields["energy_wh"], fields["ac_energy_wh"], fields["inverters"]) == (12500.0, 12500.0, 0)


def test_energies_of_whole_days_are_no_implausible_readings(yard: Yard) -> None:
    # Far more than an input of 300 W can make from one noon to the next.
    keep(yard, month([20.0, 20.0]))
    bring(yard)
    assert yard.energies() == {f"{UID}-1": 40_000.0}


def test_the_gateways_own_record_takes_the_day_over_and_nothing_of_the_vendors_is_left(yard: Yard) -> None:
    keep(yard, month([1.0, 2.0]), curve(), curve(NEXT))
    bring(yard)
    yard.deliver(frame("20260621103000", yc600(wh=(2.0, 1.0))))
    yard.roll_up()
    bring(yard)
    # The record was taken out with the rest of its day, and waits to be delivered again.
    with JournalReader(yard.path) as reader:
        assert reader.pending_count() == 1
    yard.deliver()
    yard.roll_up()
    bring(yard)
    found = ecu_days(yard.daily())
    second = found[MIDNIGHT + 86_400 * 10**9]
    assert (found[MIDNIGHT]["energy_wh"], found[MIDNIGHT]["imported"]) == (1000.0, 2)
    assert (second["energy_wh"], second["records"]) == (3.0, 1)
    assert "imported" not in second
    expected = yard.expected([frame("20260621103000", yc600(wh=(2.0, 1.0)))])
    assert {key: fields for key, fields in yard.daily().items() if key[2] != MIDNIGHT} == expected


def test_a_day_that_influxdb_has_points_of_is_left_alone(yard: Yard) -> None:
    records = [frame("20260620103000", yc600(wh=(2.0, 1.0)))]
    yard.deliver(*records)
    yard.roll_up()
    with yard.journal() as journal, journal.derived() as db:
        # As after the loss of a journal.
        db.execute("delete from record")
    before = yard.daily()
    keep(yard, month([1.0]))
    bring(yard)
    assert yard.daily() == before


def test_what_is_taken_back_leaves_what_was_before(yard: Yard) -> None:
    yard.deliver(frame("20260621103000", yc600()))
    yard.roll_up()
    before = yard.daily()
    keep(yard, month([1.0, 2.0, 3.0]), curve())
    bring(yard)
    assert yard.daily() != before
    with yard.journal() as journal, JournalReader(yard.path) as reader:
        Imports(journal).remove([body.id for body, _ in listed(reader)])
    bring(yard)
    assert yard.daily() == before
    with JournalReader(yard.path) as reader:
        assert reader.rows("select count(*) from imported_day") == [(0,)]


@pytest.mark.parametrize("writes", range(3))
def test_an_outage_at_any_write_costs_time_only(yard: Yard, writes: int) -> None:
    keep(yard, month([1.0, 2.0, 3.0]), curve())
    assert not bring(yard, writes=writes)
    assert bring(yard)
    assert [fields["energy_wh"] for fields in ecu_days(yard.daily()).values()] == [1000.0, 2000.0, 3000.0]


def test_a_panel_that_gets_a_name_takes_its_past_along_when_all_is_written_again(yard: Yard) -> None:
    keep(yard, month([1.0]), curve())
    bring(yard)
    yard.inverters = ({"id": UID, "panels": [{"channel": 1, "name": "South"}]},)
    with yard.journal() as journal:
        _written_again(journal)
    bring(yard)
    assert yard.energies() == {"South": 1000.0}


def _written_again(journal: Journal) -> None:
    """What `collector replay --all` asks for."""
    Jobs(journal).ask([Request(REPLAY, ECU, None, None, True)], RECEIVED)


@pytest.mark.slow
@settings(
    max_examples=5,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(seed=st.integers(0, 1 << 32))
def test_the_sums_of_days_are_the_vendors_in_the_ledger_in_influxdb_and_in_an_export(influx: Influx, seed: int) -> None:
    # Days of 23, 24 and 25 hours.
    days = [date(2025, 3, 29), date(2025, 3, 30), date(2025, 10, 26), date(2025, 6, 1)]
    chance, ecu = Random(seed), str(next(_gateways))  # noqa: S311
    expected: dict[tuple[str, int, str], float] = {}
    with tempfile.TemporaryDirectory() as folder, empty_yard(influx, Path(folder)) as yard:
        for uid, day in itertools.product((UID, "408000000009"), days):
            kwh = [round(chance.uniform(0, 5) * chance.randint(0, 1), 2) for _ in range(2)]
            expected |= {(uid, channel, day.isoformat()): kwh[channel - 1] * 1000 for channel in (1, 2)}
            of_days = {f"e{channel}": [0.0] * (day.day - 1) + [kwh[channel - 1]] for channel in (1, 2)}
            said = {"uid": uid, "month": f"{day:%Y-%m}"}
            keep(yard, answer(ENERGY, f"{uid} {day}", said, of_days, ecu, day))
        for day in chance.sample(days, chance.randint(0, len(days))):
            times = [f"{minute // 60:02}:{minute % 60:02}" for minute in range(0, 24 * 60, 30)]
            powers = {f"{uid}-{channel}": [chance.randint(0, 400) for _ in times] for uid, channel, _ in expected}
            keep(yard, answer(POWER, str(day), {"day": day.isoformat()}, {"time": times, "power": powers}, ecu, day))
        bring(yard)
        books = Books(yard.path)
        books.count()
        assert_near(ledger_sums(books), expected)
        assert_near(influx_sums(yard, ecu), expected)
        with JournalReader(yard.path) as reader:
            points = [point for some in Export(reader, yard.names).days([ecu], None, None) for point in some]
        exported: dict[tuple[str, int, str], float] = defaultdict(float)
        for point in points:
            if point.measurement == "channel":
                key = point.tags[1], int(point.tags[4]), local_day(point.time)
                exported[key] += float(point.fields["energy_wh"] or 0)
        assert_near(exported, expected)


def answer(kind: str, key: str, said: Mapping[str, str], data: object, ecu: str, day: date) -> Brought:
    body = json.dumps({"code": 0, "data": data}).encode()
    return Brought(kind=kind, key=key, about=json.dumps(said), ecu=ecu, body=body, days=[day.isoformat()])


def local_day(at: int) -> str:
    return datetime.fromtimestamp(at // 10**9, ZoneInfo("Europe/Amsterdam")).date().isoformat()


def ledger_sums(books: Books) -> dict[tuple[str, int, str], float]:
    return {
        (inverter, channel, day): (row[1] or 0) / 1000  # type: ignore[operator]
        for (_, inverter, channel, day), row in books.account()[0].items()
        if channel
    }


def influx_sums(yard: Yard, ecu: str) -> dict[tuple[str, int, str], float]:
    return {
        (tags[1], int(tags[4]), local_day(at)): fields["energy_wh"]
        for (measurement, tags, at), fields in yard.daily([ecu]).items()
        if measurement == "channel_day"
    }


def assert_near(found: Mapping[tuple[str, int, str], float], expected: Mapping[tuple[str, int, str], float]) -> None:
    """To the Wh, what is nothing being as good as absent."""
    for key in found.keys() | expected.keys():
        assert found.get(key, 0) == pytest.approx(expected.get(key, 0), abs=1), key
