"""What was found is in a real InfluxDB, is written once, and comes back when it was lost there."""

import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from collector.analysis.nightly import job
from collector.analysis.nightly._shards import folder_of
from collector.analysis.series import Ageing, Alarm, Analysis, ArraySeries, Cause, Learned
from collector.config.model import Config
from collector.config.names import Names
from collector.delivery.influx import InfluxSink
from collector.imports.days import derived
from collector.imports.points import points_of
from collector.journal.import_writing import Brought, Imports
from collector.journal.imported import Body
from collector.journal.state import NAMES_STATE
from collector.journal.writing import Journal
from collector.points.lines import LineWriter
from collector.points.schema import Point
from tests.analysis import stub
from tests.analysis.journals import FIRST, NOW, PANELS, Roof, days, patched_model
from tests.conftest import Influx
from tests.imports.test_days import energies, powers
from tests.samples import ECU, UID, config

MIDNIGHTS = ["2026-06-28T22:00:00Z", "2026-06-29T22:00:00Z", "2026-06-30T22:00:00Z"]


class RoofWithDatabase(Roof):
    """One whose results go to InfluxDB; what was written is counted in lines by measurement."""

    influx: Influx

    @property
    def config(self) -> Config:
        site = {"name": "Home", "timezone": self.zone, "latitude": 52.1, "longitude": 5.2}
        return config(self.path, site=site, influxdb=self.influx.settings, inverter=self.inverters)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Lines by measurement, of the latest analysis."""
    found: Counter[str] = Counter()
    write = InfluxSink.write

    def noting(sink: InfluxSink, lines: bytes, *, bucket: str | None = None) -> None:
        found.update(line.partition(b",")[0].decode() for line in lines.splitlines() if line)
        write(sink, lines, bucket=bucket)

    monkeypatch.setattr(InfluxSink, "write", noting)
    return found


@pytest.fixture
def roof(influx: Influx, tmp_path: Path) -> RoofWithDatabase:
    roof = RoofWithDatabase(tmp_path / "journal.db")
    roof.influx = influx
    roof.store(*days(FIRST, 3))
    return roof


def with_alarm(series: ArraySeries, since_day: int | None = None, learned: Learned | None = None) -> Analysis:
    """The stub, with a panel that makes less since the second day."""
    analysis = stub.analyse(series, since_day, learned)
    second = date(2026, 6, 30).toordinal()
    alarm = Alarm(3, second, second + 1, None, 0.33, Cause.DIODE, 410.0)
    return Analysis(**{**{name: getattr(analysis, name) for name in Analysis.__dataclass_fields__}, "alarms": (alarm,)})


def analyse(roof: Roof) -> str:
    with patched_model(with_alarm):
        return job.run(roof.config, Names(roof.config), NOW, lambda *_: None).hindrance


def test_results_stand_beside_the_roll_ups_at_the_midnights_of_their_days(roof: RoofWithDatabase) -> None:
    assert analyse(roof) == ""
    rows = roof.influx.query(
        f'from(bucket: "{roof.influx.rollup_bucket}") |> range(start: 0)'
        f' |> filter(fn: (r) => r._measurement == "channel_day" and r.inverter == "{UID}" and r.channel == "1")'
    )
    fields = {"expected_wh", "unshaded_wh", "loss_shade_wh", "loss_fault_wh", "loss_outage_wh", "loss_clip_wh"}
    assert {(row["_field"], row["_time"]) for row in rows} == {(name, at) for name in fields for at in MIDNIGHTS}
    assert {(row["ecu"], row["panel"], row["array"], row["model"]) for row in rows} == {
        (ECU, "South 1", "South", "YC600")
    }


def test_a_finding_has_a_point_for_each_day_from_the_one_on_which_it_was_found(roof: RoofWithDatabase) -> None:
    analyse(roof)
    rows = roof.influx.query(
        f'from(bucket: "{roof.influx.rollup_bucket}") |> range(start: 0)'
        ' |> filter(fn: (r) => r._measurement == "finding")'
    )
    assert {row["_time"] for row in rows} == {"2026-06-30T22:00:00Z"}
    found = {row["_field"]: row["_value"] for row in rows}
    assert (float(found["lost_percent"]), int(found["days"])) == (33.0, 2)
    assert {(row["panel"], row["cause"]) for row in rows} == {("South 4", "bypass diode")}
    assert found["text"].startswith("makes 33 % less than its neighbours say that it should, since 2026-06-30: 410 Wh")


def test_the_map_of_the_shade_stands_at_the_beginning_of_the_month(roof: RoofWithDatabase) -> None:
    analyse(roof)
    rows = roof.influx.query(
        f'from(bucket: "{roof.influx.rollup_bucket}") |> range(start: 0)'
        ' |> filter(fn: (r) => r._measurement == "shade")'
    )
    assert {(row["_time"], row["azimuth"], row["elevation"], row["_value"]) for row in rows} == {
        ("2026-06-30T22:00:00Z", "180", "20", "0.5")
    }
    assert len(rows) == 4


def test_what_is_there_is_not_written_again(roof: RoofWithDatabase, written: Counter[str]) -> None:
    analyse(roof)
    assert written == {"channel_day": 12, "shade": 4, "finding": 1}
    written.clear()
    analyse(roof)
    assert written == {}
    roof.store(*days(date(2026, 7, 2), 1))
    analyse(roof)
    assert written == {"channel_day": 4, "finding": 1}


def test_what_was_lost_there_is_written_again(roof: RoofWithDatabase, written: Counter[str]) -> None:
    analyse(roof)
    sink = InfluxSink(
        roof.influx.url, roof.influx.org, roof.influx.token, roof.influx.bucket, roof.influx.rollup_bucket
    )
    second = datetime(2026, 6, 29, 22, tzinfo=UTC)
    sink.delete(second, second, '_measurement="channel_day"', bucket=roof.influx.rollup_bucket)
    sink.close()
    written.clear()
    analyse(roof)
    assert written["channel_day"] == 12


def test_names_that_have_changed_wait_for_the_replay_and_then_nothing_of_the_old_ones_is_left(
    roof: RoofWithDatabase,
) -> None:
    analyse(roof)
    renamed = tuple({"channel": channel, "name": f"East {channel}", "array": "South"} for channel in (1, 2))
    roof.inverters = (*PANELS[:1], {**PANELS[1], "panels": renamed})
    journal = Journal(roof.path)
    journal.put_state(NAMES_STATE, {"fingerprint": "of-other-names"})
    assert "collector replay --all" in analyse(roof)
    journal.put_state(NAMES_STATE, {"fingerprint": Names(roof.config).fingerprint()})
    journal.close()
    assert analyse(roof) == ""
    rows = roof.influx.query(
        f'from(bucket: "{roof.influx.rollup_bucket}") |> range(start: 0)'
        ' |> filter(fn: (r) => r._measurement == "shade")'
    )
    assert {row["panel"] for row in rows} == {"South 1", "South 2", "East 1", "East 2"}


def test_without_the_database_the_results_are_there_and_it_is_said(roof: RoofWithDatabase) -> None:
    settings = {**roof.influx.settings, "url": "http://127.0.0.1:9"}
    away = config(roof.path, site={"name": "Home", "timezone": roof.zone}, influxdb=settings, inverter=roof.inverters)
    with patched_model(with_alarm):
        answer = job.run(away, Names(away), NOW, lambda *_: None)
    assert len(answer.results.panels) == 4
    assert "127.0.0.1" in answer.hindrance
    assert analyse(roof) == ""


def bring_along(roof: RoofWithDatabase, day: date, *bodies: Body) -> None:
    """Keep what the vendor told of a day, and have it in InfluxDB, as the service does."""
    names, lines = Names(roof.config), LineWriter()
    found = derived(bodies, ECU, day, names.ecu(ECU).zone)
    assert found is not None
    journal = Journal(roof.path)
    Imports(journal).keep(
        [
            Brought(kind=one.kind, key=f"{day} {one.id}", about=one.about, ecu=ECU, body=one.body, days=[str(day)])
            for one in bodies
        ],
        NOW,
    )
    journal.close()
    sink = InfluxSink(
        roof.influx.url, roof.influx.org, roof.influx.token, roof.influx.bucket, roof.influx.rollup_bucket
    )
    sink.write("\n".join(map(lines.line, points_of(found, names.ecu(ECU), {UID: "YC600"}))).encode())
    sink.close()


def test_days_that_were_brought_along_change_nothing(roof: RoofWithDatabase) -> None:
    assert roof.analyse().results.first == "2026-06-29"
    # One day with the vendor's powers, one with its energy at noon, and one in the midst of the gateway's own.
    curve = powers(date(2026, 6, 10), ["12:00", "12:05", "12:10"], c1=[100, 200, 300], c2=[90, 180, 270])
    bring_along(roof, date(2026, 6, 10), curve)
    bring_along(roof, date(2026, 6, 11), energies("2026-06", e1=[0.0] * 10 + [1.5], e2=[0.0] * 10 + [1.2]))
    bring_along(roof, date(2026, 7, 2), powers(date(2026, 7, 2), ["12:00", "12:05"], c1=[1000, 1000]))
    roof.store(*days(date(2026, 7, 4), 1))
    rows = roof.influx.query(
        f'from(bucket: "{roof.influx.bucket}") |> range(start: 0)'
        ' |> filter(fn: (r) => r._measurement == "channel" and r._field == "energy_wh")'
    )
    assert len(rows) == 6 + 2 + 2
    with_them = roof.analyse()
    shutil.rmtree(folder_of(roof.path))
    anew = roof.analyse()
    without = Roof(roof.path.with_name("other.db"))
    without.store(*days(FIRST, 3), *days(date(2026, 7, 4), 1))
    assert with_them.hindrance == anew.hindrance == ""
    assert with_them.results == anew.results == without.analyse().results
    assert roof.held() == without.held()


def told(roof: RoofWithDatabase, measurement: str, field: str) -> dict[str, float]:
    """Of the first panel, by time."""
    rows = roof.influx.query(
        f'from(bucket: "{roof.influx.rollup_bucket}") |> range(start: 0) |> filter(fn: (r) =>'
        f' r._measurement == "{measurement}" and r._field == "{field}" and r.panel == "South 1")'
    )
    return {row["_time"]: float(row["_value"]) for row in rows}


def without(series: ArraySeries, since_day: int | None = None, learned: Learned | None = None) -> Analysis:
    """The stub, of which the second day's clipping of the first panel, its map and its rate are not told."""
    analysis = stub.analyse(series, since_day, learned)
    clip, shade = analysis.loss_clip_wh.copy(), analysis.shade.copy()
    clip[1, 0], shade[0] = np.nan, np.nan
    return replace(analysis, loss_clip_wh=clip, shade=shade, ageing=Ageing(3.0))


def with_rate(series: ArraySeries, since_day: int | None = None, learned: Learned | None = None) -> Analysis:
    """The stub, with a rate of each panel."""
    rate = Ageing(3.0, -0.5, -0.9, -0.1)
    analysis = stub.analyse(series, since_day, learned)
    return replace(analysis, ageing=rate, panel_ageing=(rate,) * len(analysis.panel_ageing))


def analyse_anew(roof: RoofWithDatabase, model: Callable[..., object]) -> None:
    with patched_model(model):
        assert job.run(roof.config, Names(roof.config), NOW, lambda *_: None, FIRST).hindrance == ""


def add_roll_ups(roof: RoofWithDatabase) -> None:
    sink = InfluxSink(
        roof.influx.url, roof.influx.org, roof.influx.token, roof.influx.bucket, roof.influx.rollup_bucket
    )
    tags, writer = (ECU, UID, UID, "YC600", "1", "South 1", "South"), LineWriter()
    at = [int(datetime.fromisoformat(time).timestamp()) * 10**9 for time in MIDNIGHTS]
    points = [Point("channel_day", tags, {"energy_wh": 1000.0 + number}, time) for number, time in enumerate(at)]
    sink.write("\n".join(map(writer.line, points)).encode(), bucket=roof.influx.rollup_bucket)
    sink.close()


def test_what_is_told_no_more_is_gone_and_the_roll_up_stays(roof: RoofWithDatabase) -> None:
    analyse_anew(roof, with_rate)
    add_roll_ups(roof)
    assert set(told(roof, "channel_day", "loss_clip_wh")) == set(MIDNIGHTS)
    assert told(roof, "shade", "factor")
    assert told(roof, "ageing", "rate_percent")
    analyse_anew(roof, without)
    assert set(told(roof, "channel_day", "loss_clip_wh")) == {MIDNIGHTS[0], MIDNIGHTS[2]}
    assert told(roof, "shade", "factor") == {}
    assert told(roof, "ageing", "rate_percent") == {}
    assert list(told(roof, "channel_day", "energy_wh").values()) == [1000.0, 1001.0, 1002.0]
    assert set(told(roof, "channel_day", "expected_wh")) == set(MIDNIGHTS)


def test_a_roll_up_that_was_deleted_when_the_analysis_was_cut_off_is_written_by_the_next(
    roof: RoofWithDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    analyse_anew(roof, with_rate)
    add_roll_ups(roof)
    delete = InfluxSink.delete

    def cut_off(sink: InfluxSink, start: datetime, stop: datetime, which: str, *, bucket: str | None = None) -> None:
        delete(sink, start, stop, which, bucket=bucket)
        if "channel_day" in which:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(InfluxSink, "delete", cut_off)
        with pytest.raises(KeyboardInterrupt):
            analyse_anew(roof, without)
    assert set(told(roof, "channel_day", "energy_wh")) == {MIDNIGHTS[0], MIDNIGHTS[2]}
    with patched_model(without):
        job.run(roof.config, Names(roof.config), NOW, lambda *_: None)
    assert set(told(roof, "channel_day", "energy_wh")) == set(MIDNIGHTS)
    assert set(told(roof, "channel_day", "loss_clip_wh")) == {MIDNIGHTS[0], MIDNIGHTS[2]}
