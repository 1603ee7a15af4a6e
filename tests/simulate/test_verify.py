"""`verify` sees each single thing that differs between a journal and InfluxDB."""

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from collector.clock.stamps import to_ns
from collector.config.load import load
from collector.config.names import Names
from collector.delivery.influx import InfluxSink
from collector.journal.reading import JournalReader
from collector.journal.writing import Journal
from collector.points.decoding import decode
from collector.points.lines import LineWriter
from collector.protocol.messages import read
from collector.protocol.upload import LateGroup
from collector.record import Arrival
from collector.simulate import verify
from collector.simulate.rounds import Round
from tests.conftest import Influx
from tests.running import write_config
from tests.simulate.peers import NOON, device, rounds

if TYPE_CHECKING:
    from collector.config.model import Config

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


class Site:
    """A journal with a few days of one gateway, and InfluxDB with all that is in it."""

    def __init__(self, folder: Path, influx: Influx) -> None:
        self.influx = influx
        self.sink = InfluxSink(influx.url, influx.org, influx.token, influx.bucket, influx.rollup_bucket)
        self.sink.connect()
        self.config: Config = load(write_config(folder, '[site]\ntimezone = "Europe/Amsterdam"\n'), {})
        self.journal = folder / "journal.db"
        self.gateway = device("linux-2017")

    def fill(self, made: list[Round]) -> list[str]:
        """Store the rounds; the lines of all of them."""
        for one in made:
            self.gateway.add(one)
        journal, names, writer = Journal(self.journal), Names(self.config), LineWriter()
        arrivals = [
            Arrival(time.time_ns(), 8995, "127.0.0.1", read(record.frame)) for record in self.gateway.store.records
        ]
        journal.append(arrivals)
        journal.close()
        with JournalReader(self.journal) as reader:
            stored = list(reader.by_time(self.gateway.ecu))
        return [writer.line(point) for record in stored for point in decode(record, names, None).points]

    def compare(self) -> verify.Comparison:
        with JournalReader(self.journal) as reader:
            return verify.with_influx([self.gateway.ecu], reader, self.sink, self.config, self.influx.bucket)

    def write(self, lines: list[str]) -> None:
        self.sink.write("\n".join(lines).encode())


@pytest.fixture
def site(tmp_path: Path, influx: Influx) -> Iterator[Site]:
    made = Site(tmp_path, influx)
    yield made
    made.sink.close()


def days(count: int) -> list[Round]:
    return [one for day in range(count) for one in rounds(3, start=NOON + day * DAY)]


def test_a_whole_copy_agrees_however_it_is_cut_into_spans(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.write(site.fill(days(3)))
    whole = site.compare()
    monkeypatch.setattr(verify, "_VALUES_AT_ONCE", 1)
    in_days = site.compare()
    assert whole.agrees
    assert in_days.agrees
    assert whole.compared == in_days.compared > 100


def test_a_missing_a_changed_and_an_invented_value_are_told_apart(site: Site) -> None:
    lines = site.fill(days(2))
    of_ecu = [line for line in lines if line.startswith("ecu,")]
    changed = of_ecu[1].replace(" power_w=", " power_w=1")
    invented = of_ecu[2].rsplit(" ", 1)[0] + f" {int(of_ecu[2].rsplit(' ', 1)[1]) + 10**9}"
    site.write([*(line for line in lines if line not in of_ecu[:2]), changed, invented])
    found = site.compare()
    fields = of_ecu[0].count("=") - 2
    assert (found.missing, found.different, found.extra) == (fields, 1, fields)
    assert any(example.startswith("different: ecu") for example in found.examples)


def test_what_came_late_is_looked_for_at_its_own_time(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    made = days(3)
    (missed,) = made[0].inverters
    late = LateGroup(f"{NOON + timedelta(hours=1):%Y%m%d%H%M%S}", (missed,))
    made[-1] = Round(made[-1].at, made[-1].inverters, (late,))
    lines = site.fill(made)
    monkeypatch.setattr(verify, "_VALUES_AT_ONCE", 1)
    site.write(lines)
    assert site.compare().agrees


def test_a_fill_up_message_has_its_values_in_the_past_and_nothing_in_its_own_year(site: Site) -> None:
    made = days(2)
    late = LateGroup(f"{NOON + timedelta(hours=1):%Y%m%d%H%M%S}", made[0].inverters)
    site.gateway.add(Round(NOON + timedelta(hours=8), (), (late,)))
    due = site.gateway.fill_up_after(NOON)
    assert due is not None
    site.gateway.fill_up(due)
    lines = site.fill(made)
    assert site.gateway.store.records[0].time.startswith("3026")
    of_late = [line for line in lines if line.endswith(str(to_ns(NOON - HOUR)))]
    assert of_late
    site.write([line for line in lines if line not in of_late])
    assert site.compare().missing > 0
    site.write(of_late)
    assert site.compare().agrees
