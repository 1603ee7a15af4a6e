"""The demonstration: against a real collector, and in front of everything that is not its own."""

import signal
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from collector.cli import main
from collector.client.network import Target
from collector.config.load import load
from collector.config.model import Config, InfluxDB
from collector.errors import CollectorError
from collector.journal.reading import JournalReader
from collector.journal.writing import Journal
from collector.protocol.blocks import Inverter
from collector.protocol.fields import total
from collector.protocol.upload import Upload, decode
from collector.simulate import demo
from collector.simulate.roofs import DEMO_ECU, DEMO_ZONE, UTRECHT, demo_roof, demo_site
from collector.simulate.rounds import Round
from tests.ports import free_ports
from tests.running import Collector
from tests.samples import arrival, frame, known, ns, yc600

DEMO_TOML = Path(__file__).parents[2] / "demo.toml"
INSTALLED = date(2025, 6, 7)
NOW = datetime(2025, 6, 10, 12, 0, tzinfo=UTC)
STRANGER = "216000000001"


def configured(folder: Path, ports: tuple[int, int, int] = (1, 2, 3)) -> Path:
    """The shipped configuration with another journal and other ports."""
    text = DEMO_TOML.read_text(encoding="utf-8").replace("data/demo.db", str(folder / "data" / "journal.db"))
    text = text.replace("[18995, 18996]", str(list(ports[:2]))).replace("18997", str(ports[2]))
    path = folder / "demo.toml"
    path.write_text(text, encoding="utf-8")
    return path


def keep(path: Path, ecu: str) -> None:
    """A journal with one record of a gateway."""
    path.parent.mkdir(exist_ok=True)
    journal = Journal(path)
    journal.open()
    journal.append([arrival(frame("20250601120000", yc600(), ecu=ecu), ns("2025-06-01T10:01:00Z"))])
    journal.close()


def uploads(path: Path) -> list[Upload]:
    """What the journal holds, by time."""
    with JournalReader(path) as journal:
        records = journal.records_between(DEMO_ECU, "0", "9")
    return sorted((decode(record.raw.decode()) for record in records), key=lambda upload: upload.time)


def as_written(polled: Round) -> tuple[Inverter, ...]:
    """What a record says of a round: an energy may have been cut there, and the gateway's own sum is not."""
    return tuple(
        one._replace(energy_wh=total(known(channel.energy_wh) for channel in one.channels)) for one in polled.inverters
    )


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    with Collector(tmp_path) as running:
        yield running


def target(collector: Collector) -> Target:
    return Target("127.0.0.1", (collector.ports[0], collector.ports[1]), collector.ports[2])


async def something_came(collector: Collector) -> None:
    while True:
        if uploads(collector.journal):
            return
        await trio.sleep(0.05)


async def test_the_history_is_in_the_journal_as_the_site_meant_it(collector: Collector) -> None:
    site = demo_site(INSTALLED)
    days, lifetime_kwh = demo.survey(site, INSTALLED, NOW)
    with trio.fail_after(60):
        await demo.bring(site, days, target(collector))

    meant = list(site.rounds(datetime(2025, 6, 7, tzinfo=DEMO_ZONE), NOW))
    found = uploads(collector.journal)
    assert [upload.time for upload in found] == [f"{one.at.astimezone(DEMO_ZONE):%Y%m%d%H%M%S}" for one in meant]
    assert [upload.inverters for upload in found] == [as_written(one) for one in meant]
    assert [upload.problems for upload in found] == [()] * len(meant)
    counters = [upload.lifetime_kwh or 0 for upload in found]
    assert counters == sorted(counters)
    assert counters[-1] == pytest.approx(lifetime_kwh, abs=0.1)
    assert demo.lacking(collector.journal, days) == []


async def test_the_first_record_of_all_arrives_before_any_other(collector: Collector) -> None:
    site = demo_site(INSTALLED)
    days, _ = demo.survey(site, INSTALLED, NOW)
    with trio.fail_after(60):
        await demo.bring(site, days, target(collector))
    with JournalReader(collector.journal) as journal:
        arrived = [record.time for record in journal.records_between(DEMO_ECU, "0", "9")]
    assert arrived[0] == min(arrived)
    assert len(arrived) == sum(day.rounds for day in days)


async def test_a_later_start_knows_the_site_again_and_sends_what_is_missing(collector: Collector) -> None:
    site = demo_site(INSTALLED)
    days, _ = demo.survey(site, INSTALLED, NOW)
    with trio.fail_after(60):
        await demo.bring(site, [days[0], *days[2:]], target(collector))
        assert await demo.wait_for_journal(collector.journal) == INSTALLED
        missing = demo.lacking(collector.journal, days)
        assert missing == [days[1]]
        await demo.bring(site, missing, target(collector))
    assert demo.lacking(collector.journal, days) == []


async def test_the_history_waits_for_a_collector_that_is_away(tmp_path: Path) -> None:
    site = demo_site(INSTALLED)
    days, _ = demo.survey(site, INSTALLED, datetime(2025, 6, 7, 12, 0, tzinfo=UTC))
    ports = free_ports()
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            away = Target("127.0.0.1", (ports[0], ports[1]), ports[2])
            nursery.start_soon(demo.bring, site, days, away)
            second = await trio.to_thread.run_sync(lambda: Collector(tmp_path, ports=ports))
    with second:
        assert demo.lacking(second.journal, days) == []


async def test_it_ends_when_it_is_told_to(collector: Collector, tmp_path: Path) -> None:
    data_ports, control_port = collector.ports[:2], collector.ports[2]
    config = load(configured(tmp_path, (*data_ports, control_port)), {}, needs_token=False)  # type: ignore[arg-type]
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: demo.run(config, "127.0.0.1", NOW, years=0))
            await something_came(collector)
            signal.raise_signal(signal.SIGTERM)
    assert uploads(collector.journal)[0].time.startswith("20250610")


def test_a_journal_with_a_real_gateway_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = configured(tmp_path)
    keep(tmp_path / "data" / "journal.db", STRANGER)
    assert main(["demo", "--config", str(path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert STRANGER in line
    assert "nothing was sent" in line
    assert "stop the collector, move this one away" in line


async def test_the_demonstrations_own_journal_is_no_reason_to_refuse(tmp_path: Path) -> None:
    path = tmp_path / "data" / "journal.db"
    keep(path, DEMO_ECU)
    assert await demo.wait_for_journal(path) == date(2025, 6, 1)


async def test_without_a_journal_nothing_is_sent_and_the_reason_is_said(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    with pytest.raises(CollectorError, match=r"there is no journal at .* the collector starts first"):
        await demo.wait_for_journal(tmp_path / "journal.db")
    assert autojump_clock.current_time() == trio.current_time() >= 60
    waiting = f"waiting for the journal {tmp_path / 'journal.db'}: start `collector run` with the same configuration"
    assert caplog.messages == [waiting]


@pytest.mark.parametrize(
    "ecu", ["", '[[ecu]]\nid = "216000000001"\n', f'[[ecu]]\nid = "216000000001"\n[[ecu]]\nid = "{DEMO_ECU}"\n']
)
def test_a_configuration_of_a_real_site_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ecu: str
) -> None:
    path = tmp_path / "config.toml"
    path.write_text(ecu)
    assert main(["demo", "--config", str(path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "use demo.toml" in line


@pytest.mark.parametrize("names", [{"bucket": "solar"}, {"rollup_bucket": "solar_daily"}, {"bucket": "solar_daily"}])
def test_the_buckets_of_a_real_site_are_refused(names: dict[str, str]) -> None:
    shipped = load(DEMO_TOML, {}, needs_token=False)
    assert shipped.influxdb is not None
    demo.refuse_real_settings(shipped)
    influxdb = shipped.influxdb.model_copy(update=names)
    with pytest.raises(CollectorError, match="where a real site's data would be"):
        demo.refuse_real_settings(shipped.model_copy(update={"influxdb": influxdb}))


def test_faults_of_the_configuration_are_told_as_the_collector_tells_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "demo.toml"
    path.write_text("[site]\nnames = 1\n")
    assert main(["demo", "--config", str(path)]) == 2
    assert "did you mean 'name'?" in capsys.readouterr().err


def test_the_shipped_configuration_has_nothing_in_common_with_the_collectors_own_defaults() -> None:
    shipped, default = load(DEMO_TOML, {}, needs_token=False), Config()
    assert not {*shipped.listen.data_ports, shipped.listen.control_port} & {
        *default.listen.data_ports,
        default.listen.control_port,
    }
    assert shipped.journal.path != default.journal.path
    assert shipped.influxdb is not None
    buckets = {InfluxDB.model_fields[name].default for name in ("bucket", "rollup_bucket")}
    assert not {shipped.influxdb.bucket, shipped.influxdb.rollup_bucket} & buckets


def test_the_shipped_configuration_names_the_roof_that_is_simulated() -> None:
    shipped = load(DEMO_TOML, {}, needs_token=False)
    roof = demo_roof(INSTALLED)
    assert [one.id for one in shipped.inverter] == [one.uid for one in roof]
    for named, real in zip(shipped.inverter, roof, strict=True):
        assert [panel.channel for panel in named.panels] == list(range(1, real.model.channels + 1))
        assert [panel.peak_w for panel in named.panels] == [panel.peak_w for panel in real.panels]
        south = {panel.azimuth_deg for panel in real.panels} == {180}
        assert {panel.array for panel in named.panels} == {"South" if south else "West"}
    assert sum(len(one.panels) for one in shipped.inverter) == 16
    places = [(panel.row, panel.column) for one in shipped.inverter for panel in one.panels]
    assert len(set(places)) == 16
    assert shipped.site.timezone == DEMO_ZONE.key
    assert (shipped.site.latitude, shipped.site.longitude) == (UTRECHT.latitude, UTRECHT.longitude)


def test_three_years_before_a_leap_day_is_a_day() -> None:
    site = demo_site(date(2028, 2, 29))
    days, _ = demo.survey(site, date(2028, 2, 29), datetime(2028, 3, 4, tzinfo=UTC))
    assert all(day.last - day.first < timedelta(hours=16) for day in days)
