"""`collector simulate` and `collector verify` as they are typed, against a collector that runs."""

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from collector.client.firmware import GENERATIONS
from collector.commands import simulate as command
from collector.commands import verify
from collector.errors import CollectorError, ConfigError
from collector.journal.reading import JournalReader
from collector.journal.state import RUN_STATE
from collector.journal.writing import Journal
from collector.protocol.upload import decode
from collector.simulate import manifest, mishaps, real_ecus
from collector.simulate.equipment import INVERTERS
from tests.conftest import Influx
from tests.running import Collector, write_config
from tests.samples import known
from tests.simulate.test_models import gateway_for


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The collector's own, as the place of its journal is relative."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Collector]:
    with Collector(tmp_path) as collector:
        yield collector


def parsed(name: str, *given: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    {"simulate": command, "verify": verify}[name].add_arguments(parser)
    parser.set_defaults(usage_error=parser.error)
    return parser.parse_args(given)


def run(name: str, *given: str) -> int:
    return {"simulate": command.run, "verify": verify.run}[name](parsed(name, *given))


def simulate(collector: Collector, *arguments: str) -> int:
    first, second, control = map(str, collector.ports)
    ports = ("--data-port", first, "--data-port", second, "--control-port", control)
    return run("simulate", "--config", str(collector.config), *ports, *arguments)


def said(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    return report


BACKLOG = ("--from", "2026-04-01", "--to", "2026-04-02")


@pytest.mark.slow
def test_one_gateway_of_every_generation_lets_go_of_everything(
    running: Collector, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    listed = tmp_path / "manifest"
    count = len(GENERATIONS)
    arguments = ("--firmware", "mixed", "--ecus", str(count), "--inverters", "2", "--journal-manifest", str(listed))
    assert simulate(running, *BACKLOG, *arguments, "--json") == 0
    report = said(capsys)
    assert report["produced"] == report["acknowledged"] > 200 * count
    assert (report["held"], report["wrong_answers"]) == (0, 0)
    # One gateway polls no commands before its records of states are gone, and each says something at its first contact.
    assert report["polls"] >= count
    assert report["bundles"] == sum(bool(firmware.bundle) for firmware in GENERATIONS.values())
    assert {entry.ecu[:4] for entry in manifest.read(listed)} == {one.ecu_prefix for one in GENERATIONS.values()}

    assert run("verify", str(listed), "--config", str(running.config), "--json") == 0
    found = said(capsys)["journal"]
    assert found["compared"] == report["acknowledged"] + report["status_records"]

    lines = listed.read_text().splitlines()
    invented = json.loads(lines[0]) | {"time": "20260401000000"}
    listed.write_text("\n".join([*lines[1:], json.dumps(invented)]) + "\n")
    assert run("verify", str(listed), "--config", str(running.config)) == 1
    assert "1 missing, 1 extra, 0 different" in capsys.readouterr().out


def test_verify_waits_for_the_delivery_and_compares_every_value(
    tmp_path: Path, influx: Influx, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = (
        f'[site]\ntimezone = "Europe/Amsterdam"\n[influxdb]\nurl = "{influx.url}"\norg = "{influx.org}"\n'
        f'token = "{influx.token}"\nbucket = "{influx.bucket}"\nrollup_bucket = "{influx.rollup_bucket}"\n'
    )
    listed = tmp_path / "manifest"
    with Collector(tmp_path, settings) as collector:
        assert simulate(collector, *BACKLOG, "--firmware", "linux-2017", "--journal-manifest", str(listed)) == 0
        capsys.readouterr()
        assert run("verify", str(listed), "--config", str(collector.config), "--wait", "30") == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("journal: ")
    assert second.startswith("influxdb: ")
    assert second.endswith(" 0 missing, 0 extra, 0 different")


def test_weather_faults_and_the_configured_place_are_in_the_records(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    settings = '[site]\ntimezone = "Australia/Sydney"\nlatitude = -33.9\nlongitude = 151.2\n'
    faults = ("--shaded-panel", "--dead-panel", "2026-04-01", "--dead-inverter", "2026-04-02")
    with Collector(tmp_path, settings) as collector:
        # Of all generations those of Linux have the zone as it is.
        arguments = ("--firmware", "linux-2017", "--inverters", "2", "--weather", "clear", "--no-control")
        assert simulate(collector, *BACKLOG, *arguments, *faults) == 0
        with JournalReader(collector.journal) as reader:
            (gateway,) = reader.gateways()
            records = reader.records_between(gateway.ecu, "0", "3")
    assert "0 still held" in capsys.readouterr().out
    assert {"07", "12", "16"} <= {record.time[8:10] for record in records} <= {f"{hour:02d}" for hour in range(5, 19)}
    uploads = [decode(record.raw.decode()) for record in records]
    for day, inverters in (("20260401", 2), ("20260402", 1)):
        found = [one for upload in uploads if upload.time.startswith(day) for one in upload.inverters]
        assert len({one.uid for one in found}) == inverters
        firsts = [one for one in found if one.uid.endswith("0001")]
        dead, shaded = (sum(known(one.channels[number].energy_wh) for one in firsts) for number in (0, 1))
        assert dead == 0 < shaded


def test_what_firmware_does_wrong_is_asked_for_by_name_and_the_report_stays_true(
    running: Collector, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    listed = tmp_path / "manifest"
    faults = [option for name in mishaps.NAMES for option in ("--fault", name)]
    arguments = ("--inverters", "3", "--weather", "clear", "--ac-energy", "--journal-manifest", str(listed))
    assert simulate(running, "--from", "2026-06-01", "--to", "2026-06-02", *arguments, *faults, "--json") == 0
    report = said(capsys)
    assert report["produced"] == report["acknowledged"] > 200
    assert (report["held"], report["wrong_answers"]) == (0, 0)
    assert run("verify", str(listed), "--config", str(running.config)) == 0
    with JournalReader(running.journal) as reader:
        (gateway,) = reader.gateways()
        uploads = [decode(record.raw.decode()) for record in reader.records_between(gateway.ecu, "0", "3")]
    seen = [inverter for upload in uploads for inverter in upload.inverters]
    assert max(known(channel.energy_wh) for one in seen for channel in one.channels) > 300
    # The AC energy has room for ten digits, where that of a channel may have been cut.
    ordinary = [one for one in seen if 5 < known(one.energy_wh) < 100]
    assert all(0.92 < (one.ac_energy_wh or 0) / known(one.energy_wh) < 0.97 for one in ordinary)
    assert any(problem.startswith("block not understood") for upload in uploads for problem in upload.problems)


def test_the_truth_of_a_roof_with_losses_is_what_the_journal_holds(running: Collector, tmp_path: Path) -> None:
    told = tmp_path / "truth.jsonl"
    arguments = ("--losses", "--inverters", "3", "--ecus", "2", "--no-control", "--truth", str(told))
    assert simulate(running, *BACKLOG, *arguments) == 0
    rows = [json.loads(line) for line in told.read_text().splitlines()]
    assert [row["kind"] for row in rows] == ["panel"] * 24 + ["day"] * 48
    stored: dict[tuple[str, str, str, int], float] = defaultdict(float)
    with JournalReader(running.journal) as reader:
        for gateway in reader.gateways():
            for record in reader.records_between(gateway.ecu, "0", "3"):
                upload = decode(record.raw.decode())
                for one in upload.inverters:
                    for channel in one.channels:
                        stored[gateway.ecu, upload.time[:8], one.uid, channel.number] += known(channel.energy_wh)
    true_wh = {
        (row["ecu"], row["day"].replace("-", ""), row["inverter"], row["channel"]): row["energy_wh"]
        for row in rows
        if row["kind"] == "day"
    }
    assert stored == pytest.approx(true_wh, abs=0.01)
    with pytest.raises(CollectorError, match="is there already"):
        simulate(running, *BACKLOG, *arguments)


def test_compressed_time_has_a_truth_as_well_but_not_where_it_is_light_at_midnight(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    told = tmp_path / "truth.jsonl"
    span = ("--from", "2026-06-01", "--for", "1d", "--losses", "--inverters", "1", "--no-control", "--truth")
    with Collector(tmp_path) as collector:
        assert simulate(collector, *span, str(told), "--speed", "86400") == 0
        assert "0 still held" in capsys.readouterr().out
        assert '"day": "2026-06-01"' in told.read_text()
        with pytest.raises(CollectorError, match=r"the sun is up at midnight .* name another with --timezone"):
            simulate(collector, *span, str(tmp_path / "other"), "--timezone", "Pacific/Auckland")


def test_a_steady_fleet_may_send_its_ac_energy_as_well(running: Collector) -> None:
    quick = ("--from", "2026-04-01", "--to", "2026-04-01", "--steady", "--every", "3000", "--no-control")
    for number, model in enumerate(("YC600", "YC500", "YC1000")):
        assert simulate(running, *quick, "--ac-energy", "--seed", str(number), "--model", model) == 0
    with JournalReader(running.journal) as reader:
        records = [record for gateway in reader.gateways() for record in reader.records_between(gateway.ecu, "0", "3")]
    for inverter in (inverter for record in records for inverter in decode(record.raw.decode()).inverters):
        dc_wh = sum(known(channel.energy_wh) for channel in inverter.channels)
        share = 0.0 if inverter.model == "YC1000" else 0.95
        assert inverter.ac_energy_wh == pytest.approx(share * dc_wh, abs=0.001)


def test_compressed_time_ends_by_itself(running: Collector, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--from", "2026-06-01", "--for", "1d", "--speed", "86400", "--steady", "--ecus", "3")
    assert simulate(running, *arguments) == 0
    said = capsys.readouterr().out
    assert "432 made, 432 acknowledged, 0 still held" in said
    assert "wrong answers: 0" in said


def test_every_model_can_be_asked_for(running: Collector) -> None:
    quick = ("--from", "2026-04-01", "--to", "2026-04-01", "--steady", "--every", "3000", "--no-control")
    for number, model in enumerate(INVERTERS):
        firmware = gateway_for(model).name
        assert simulate(running, *quick, "--seed", str(number), "--firmware", firmware, "--model", model) == 0
    with JournalReader(running.journal) as reader:
        records = [record for gateway in reader.gateways() for record in reader.records_between(gateway.ecu, "0", "3")]
    seen = {inverter.model for record in records for inverter in decode(record.raw.decode()).inverters}
    assert seen == INVERTERS.keys()


def test_records_that_nobody_takes_are_a_finding(
    running: Collector, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # It was there when the gateway began, and is not any more.
    monkeypatch.setattr(real_ecus, "refuse_real_ecus", lambda _journal: running.stop())
    listed = tmp_path / "manifest"
    arguments = ("--steady", "--patience", "0.1", "--journal-manifest", str(listed))
    assert simulate(running, "--from", "2026-04-01", "--to", "2026-04-01", *arguments, "--json") == 1
    report = said(capsys)
    assert (report["acknowledged"], report["held"]) == (0, 145)
    assert report["unanswered"]["not connected"] > 0
    # Nothing ever went out, so nothing needs to be there.
    assert listed.read_text() == ""


def test_a_collector_that_is_not_there_is_told_at_once(running: Collector, tmp_path: Path) -> None:
    listed = ("--journal-manifest", str(tmp_path / "manifest"))
    for host in ("nowhere.invalid", "a..b"):
        with pytest.raises(CollectorError, match=f"the host '{host}' is not found: is its name right"):
            simulate(running, *BACKLOG, *listed, "--host", host)
    running.stop()
    with pytest.raises(
        CollectorError, match=rf"nothing listens at 127.0.0.1, port {running.ports[0]}: is `collector run`"
    ):
        simulate(running, *BACKLOG, *listed)
    assert not (tmp_path / "manifest").exists()


def test_only_a_collector_that_is_named_gets_records_without_a_look_into_its_journal(
    running: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setattr(real_ecus, "_FIRST_BEAT_S", 0.0)
    for state in (None, {}, {"beat_at": 1}, {"beat_at": time.time_ns(), "stopped_at": time.time_ns()}):
        if state is not None:
            journal = Journal(Path("data/journal.db"))
            journal.open()
            journal.put_state(RUN_STATE, dict(state))
            journal.close()
        with pytest.raises(CollectorError, match=r"is not the one of this configuration .*data/journal.db"):
            simulate(running, *BACKLOG, "--steady")
    assert simulate(running, *BACKLOG, "--steady", "--host", "127.0.0.1") == 0


def test_a_day_that_is_not_over_ends_now(running: Collector) -> None:
    today = f"{datetime.fromtimestamp(time.time(), UTC):%Y-%m-%d}"
    assert simulate(running, "--from", today, "--to", today, "--steady", "--firmware", "linux-2017") == 0
    with JournalReader(running.journal) as reader:
        times = [
            record.time for gateway in reader.gateways() for record in reader.records_between(gateway.ecu, "0", "9")
        ]
    assert max(times, default="") <= f"{datetime.fromtimestamp(time.time(), UTC):%Y%m%d%H%M%S}"


def test_a_manifest_overwrites_nothing(running: Collector, tmp_path: Path) -> None:
    listed = tmp_path / "manifest"
    listed.write_text("precious")
    with pytest.raises(CollectorError, match="manifest is there already"):
        simulate(running, *BACKLOG, "--journal-manifest", str(listed))
    assert listed.read_text() == "precious"


def test_made_up_records_stay_out_of_a_journal_with_real_ones(running: Collector) -> None:
    record = b"APS1800086AAAAAAA1216000012345" + b"0" * 30 + b"20260401120000" + b"000000000END\n"
    assert running.send(record) == b"10120260401120000"
    with pytest.raises(CollectorError, match="216000012345"):
        simulate(running, *BACKLOG, "--steady")
    assert simulate(running, *BACKLOG, "--steady", "--beside-real-ecus") == 0


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--to", "2026-04-01"), "--to needs --from"),
        (("--from", "2026-04-01"), "a backlog needs an end"),
        (("--from", "2026-04-02", "--to", "2026-04-01"), "is before"),
        (("--from", "2026-04-01", "--to", "2026-04-02", "--for", "1d"), "exclude"),
        (("--from", "2098-01-01", "--to", "2098-01-01"), "is in the future"),
        (("--from", "yesterday"), "no day"),
        (("--from", "1970-01-01"), "outside the years"),
        (("--speed", "0"), "no speed"),
        (("--speed", "fast"), "no speed"),
        (("--for", "3 hours"), "no span of time"),
        (("--for", "99999999999d"), "is longer than"),
        (("--away", "99999999d"), "is longer than"),
        (("--clock-error", "inf"), "no number of seconds"),
        (("--clock-error=-1e10",), "no number of seconds"),
        (("--patience", "nan"), "no number of seconds"),
        (("--patience", "long"), "no number of seconds"),
        (("--ecus", "0"), "no number from 1"),
        (("--inverters", "301"), "no number from 1"),
        (("--data-port", "70000"), "no port number"),
        (("--firmware", "ecu-x"), "invalid choice"),
        (("--model", "toaster"), "invalid choice"),
        (("--model", "OPT"), "--model OPT: a gateway of --firmware ecu-r-2024 has none, but YC500, YC1000"),
        (("--model", "QS1", "--firmware", "mixed"), "a gateway of --firmware linux-2013 has none, but YC500, YC250"),
        (("--weather", "hail"), "invalid choice"),
        (("--dead-panel", "soon"), "no day"),
        (("--steady", "--weather", "clear"), "neither weather nor faults"),
        (("--steady", "--dead-inverter", "2026-04-01"), "neither weather nor faults"),
        (("--steady", "--fault", "restart"), "neither weather nor faults"),
        (("--fault", "fire"), "invalid choice: 'fire'"),
        (("--steady", "--losses"), "neither weather nor faults"),
        (("--losses", "--dead-panel", "2026-04-01"), "--losses has shade and faults of its own"),
        ((*BACKLOG, "--truth", "truth.jsonl"), "--truth needs --losses"),
        (("--losses", "--truth", "truth.jsonl"), "--truth needs an end: --to or --for"),
    ],
)
def test_a_mistaken_argument_is_a_usage_error(
    arguments: tuple[str, ...], reason: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config = write_config(tmp_path, ports=(8995, 8996, 8997))
    with pytest.raises(SystemExit) as exit_:
        run("simulate", "--config", str(config), *arguments)
    assert exit_.value.code == 2
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "settings", "is_told"),
    [
        (("--ecus", "21"), "", True),
        (("--ecus", "1", "--inverters", "151"), "", True),
        (("--ecus", "20", "--inverters", "26"), "", True),
        (("--ecus", "20", "--inverters", "25"), "", False),
        (("--ecus", "21"), '[collector]\naccept = "all"', False),
    ],
)
def test_a_fleet_is_told_of_what_the_collector_will_not_let_into_influxdb(
    arguments: tuple[str, ...],
    settings: str,
    is_told: bool,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    with Collector(tmp_path, settings) as collector:
        quick = ("--from", "2026-04-01", "--to", "2026-04-01", "--steady", "--every", "10000", "--no-control")
        assert simulate(collector, "--host", "127.0.0.1", *quick, *arguments) == 0
    assert ('accept = "all"' in capsys.readouterr().err) is is_told


def test_a_zone_nobody_knows_and_ports_nobody_named_are_configuration_errors(tmp_path: Path) -> None:
    config = str(write_config(tmp_path))
    with pytest.raises(ConfigError, match="Mars"):
        run("simulate", "--config", config, *BACKLOG, "--timezone", "Mars/Olympus")
    with pytest.raises(ConfigError, match="--data-port"):
        run("simulate", "--config", config, *BACKLOG)


def test_a_manifest_that_is_none_says_so(running: Collector, tmp_path: Path) -> None:
    listed = tmp_path / "manifest"
    config = str(running.config)
    with pytest.raises(CollectorError, match="No such file"):
        run("verify", str(listed), "--config", config)
    listed.write_text("{}\n")
    with pytest.raises(CollectorError, match="line 1: not a line of a manifest"):
        run("verify", str(listed), "--config", config)
    listed.write_bytes(b"\xff\n")
    with pytest.raises(CollectorError, match="not a text"):
        run("verify", str(listed), "--config", config)
    with pytest.raises(CollectorError, match="No such file"):
        simulate(running, *BACKLOG, "--journal-manifest", str(tmp_path / "nowhere" / "manifest"))
