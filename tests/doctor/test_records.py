"""What the journal tells of the service, of records that were not understood, and of the gateways and their clocks."""

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from collector import __version__
from collector.clock.stamps import NS, UNBELIEVABLE
from collector.config.names import Names
from collector.delivery.influx_answers import rejection
from collector.doctor import _clocks, _facts, _journal, _records, runner, settings
from collector.doctor.findings import Finding, Level
from collector.journal.state import NAMES_STATE, RUN_STATE
from collector.journal.writing import Journal
from collector.newcomers import Welcome
from collector.status.health import rollups_waiting
from tests.doctor.contexts import context, levels, note, only, store
from tests.protocol.helpers import POLL
from tests.running import run_command, write_config
from tests.samples import ECU, TIME, arrival, config, frame, ns, yc600

NOW = ns("2026-06-21T10:42:00Z")
RUNNING: dict[str, object] = {"version": __version__, "started_at": NOW - 3600 * NS, "beat_at": NOW - 5 * NS}
INFLUXDB = {"url": "http://127.0.0.1:8086", "org": "home", "token": "token"}


async def found(path: Path, **sections: object) -> list[Finding]:
    return await _records.check(context(path, now=NOW, configured=config(path, **sections)))


async def service(path: Path, state: dict[str, object]) -> Finding:
    note(path, RUN_STATE, state)
    return (await found(path))[0]


async def test_the_service_runs_or_not_and_since_when(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    assert (await service(path, {})).level is Level.WARNING
    assert (await service(path, RUNNING)).level is Level.OK
    stopped = await service(path, {"stopped_at": NOW - NS})
    assert (stopped.level, "stopped 2026-06-21T10:41:59Z" in stopped.found) == (Level.FAILURE, True)
    silent = await service(path, RUNNING | {"beat_at": NOW - 3600 * NS})
    assert (silent.level, "no sign of life since" in silent.found) == (Level.FAILURE, True)
    ahead = await service(path, RUNNING | {"beat_at": NOW + 3600 * NS})
    assert (ahead.level, "no sign of life since" in ahead.found) == (Level.FAILURE, True)
    assert (await service(path, RUNNING | {"version": "0.0.9"})).remedy == "restart it"


CONFLICT = (
    'field type conflict: input field "power_w" on measurement "ecu" is type float, already exists as type string'
)
DROPPED = "dropped 1 points outside retention policy of duration 720h0m0s - oldest point ecu at 2026-01-01T00:00:00Z"


@pytest.mark.parametrize(("message", "level"), [(CONFLICT, Level.FAILURE), (DROPPED, Level.WARNING)])
async def test_what_the_bucket_keeps_out_is_no_matter_of_a_new_model(
    tmp_path: Path, message: str, level: Level
) -> None:
    path = tmp_path / "journal.db"
    store(path, *(frame(f"2026062112{minute:02}00", yc600()) for minute in range(3)), received_at=[NOW] * 3)
    note(path, RUN_STATE, RUNNING)
    kept = Journal(path)
    rejected = rejection(f"failure writing points to database: partial write: {message}", "solar", "influxdb.bucket")
    assert rejected is not None
    for record in (1, 2, 3):
        kept.set_aside(record, rejected.reason)
    kept.close()
    finding = only(await found(path), level)
    assert finding.found == f"3 set aside, as number 3: {rejected.reason}"
    assert "decode" not in finding.remedy
    assert "delete" not in finding.remedy


UNKNOWN_BLOCK = frame("20260621123500", yc600()).replace(b"END408", b"END4x8", 1)


def test_what_was_not_understood_comes_with_the_command_that_makes_a_report(tmp_path: Path) -> None:
    configured = write_config(tmp_path, '[journal]\npath = "journal.db"')
    path = tmp_path / "journal.db"
    store(path, b"APS18 odd", b"APS18 odder", received_at=[NOW - NS, NOW])
    done = run_command("doctor", "--json", "--config", str(configured), folder=tmp_path)
    (finding,) = [
        finding for finding in json.loads(done.stdout)["findings"] if "set aside, as number 2" in finding["found"]
    ]
    assert finding["level"] == "warning"
    command = finding["remedy"].partition("`collector ")[2].partition("`")[0].split()
    assert command == ["decode", "--record", "2"]
    said = json.loads(run_command(*command, "--config", str(configured), folder=tmp_path).stdout)
    assert said["raw"] == "APS18 odder"
    assert said["problems"] == ["no time stamp of a record where one should be"]
    missing = run_command("decode", "--record", "9", "--config", str(configured), folder=tmp_path)
    assert (missing.returncode, missing.stderr) == (1, "collector: there is no record 9 in journal.db\n")


async def test_a_block_that_was_not_understood_is_found_in_a_record_that_was_delivered(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    assert frame("20260621123500", yc600()) != UNKNOWN_BLOCK
    store(path, frame("20260621123000", yc600()), UNKNOWN_BLOCK, received_at=[NOW - 2 * NS, NOW - NS])
    warnings = [finding for finding in await found(path) if "understood in part" in finding.found]
    assert warnings
    assert "--record 2" in warnings[0].remedy


async def test_the_same_block_in_every_record_is_one_finding_with_their_number(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    blocks = [f"70300000000109{minute}" + "2" * 79 for minute in range(10, 18)]
    frames = [frame(f"2026062112{block[14:16]}00", yc600(), broken=(block,)) for block in blocks]
    store(path, *frames, received_at=[NOW - NS] * len(frames))
    (finding,) = [finding for finding in await found(path) if "understood in part" in finding.found]
    kind = "block not understood (type '09' with 95 characters): ..."
    assert finding.found == f"8 understood in part, as number 8: {kind}"
    assert "`collector decode --record 8`" in finding.remedy


def refuse(path: Path, received_at: int, raw: bytes = b"\x16\x03\x01\x1b[2J") -> None:
    """Something that was turned away, by default the beginning of TLS."""
    stored = Journal(path)
    stored.refuse(received_at, 8995, "192.0.2.9", "not a message of a gateway", raw)
    stored.close()


async def test_where_all_that_came_was_turned_away_nobody_is_told_to_lead_the_gateway_here(tmp_path: Path) -> None:
    configured = write_config(tmp_path, '[journal]\npath = "journal.db"')
    path = tmp_path / "journal.db"
    refuse(path, NOW - 30 * 24 * 3600 * NS)
    (finding,) = [finding for finding in await found(path) if "turned away" in finding.found]
    assert finding.level is Level.WARNING
    assert "from 192.0.2.9, the last 2026-05-22T10:42:00Z at port 8995" in finding.found
    assert r"b'\x16\x03\x01\x1b[2J'" in finding.found
    command = finding.remedy.partition("`collector ")[2].partition("`")[0].split()
    done = run_command(*command, "--config", str(configured), folder=tmp_path)
    assert json.loads(done.stdout)["raw"] == "\x16\x03\x01\x1b[2J"
    (heard,) = _clocks.gateways(context(path, now=NOW))
    assert "no gateway was understood yet, though something reached the ports" in heard.found
    assert "records above" in heard.remedy


async def test_what_was_turned_away_long_ago_is_no_news_once_a_gateway_is_understood(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    store(path, frame("20260621123500", yc600()), received_at=[NOW])
    refuse(path, NOW - 8 * 24 * 3600 * NS)
    assert not any("turned away" in finding.found for finding in await found(path))
    refuse(path, NOW - NS)
    assert any("2 turned away" in finding.found for finding in await found(path))


def test_a_message_that_nobody_understands_is_no_silence(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    store(path, b"APS18 odd", received_at=[NOW])
    assert "no gateway was understood yet" in only(_clocks.gateways(context(path, now=NOW)), Level.WARNING).found


async def test_names_that_changed_are_a_warning_until_they_are_replayed(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    note(path, NAMES_STATE, {"fingerprint": Names(config()).fingerprint()})
    named: dict[str, Any] = {"influxdb": INFLUXDB, "ecu": ({"id": ECU, "name": "Attic"},)}
    findings = await found(path, **named)
    assert any(finding.remedy == "collector replay --all" for finding in findings)
    note(path, NAMES_STATE, {"fingerprint": Names(config(**named)).fingerprint()})
    assert not any("names" in finding.found for finding in await found(path, **named))


async def test_an_update_that_tells_more_is_a_warning_until_the_past_is_replayed(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    names = Names(config())
    note(path, NAMES_STATE, {"fingerprint": names.fingerprint("1")})
    (told,) = (finding for finding in await found(path, influxdb=INFLUXDB) if "was updated" in finding.found)
    assert told.remedy == "collector replay --all"
    note(path, NAMES_STATE, {"fingerprint": names.fingerprint()})
    assert not any("was updated" in finding.found for finding in await found(path, influxdb=INFLUXDB))


async def test_days_that_wait_for_their_roll_up_are_told_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    stored = Journal(path)
    stored.put_state(RUN_STATE, RUNNING)
    stored.append([arrival(frame("20260621123500", yc600()), NOW)])
    stored.mark_delivered([1], NOW - 3600 * NS, (), [(ECU, "2026-06-20"), (ECU, "2026-06-21")])
    findings = await found(path, influxdb=INFLUXDB)
    assert "2 days wait for their roll-up since 2026-06-21T09:42:00Z" in only(findings, Level.WARNING).found
    stored.put_state(RUN_STATE, RUNNING | {"rollup_error": "the bucket is gone"})
    failure = only(await found(path, influxdb=INFLUXDB), Level.FAILURE)
    assert failure.found == "2 days wait for their roll-up: the bucket is gone"
    stored.close()


async def test_roll_ups_that_fail_before_a_day_waits_are_not_told_as_days(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    note(path, RUN_STATE, RUNNING | {"rollup_error": "HTTP 403"})
    failure = only(await found(path, influxdb=INFLUXDB), Level.FAILURE)
    assert failure.found == "roll-ups can't be computed: HTTP 403"
    assert rollups_waiting(1) == "1 day waits for its roll-up"


def rounds_of(count: int) -> list[bytes]:
    """A record of each of so many gateways."""
    return [frame(TIME, yc600(), ecu=f"2160001{number:05}") for number in range(count)]


async def test_a_look_that_runs_out_of_time_says_how_far_it_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.db"
    store(path, *rounds_of(5), received_at=[NOW] * 5)
    monkeypatch.setattr(_facts, "DECODING_S", -1.0)
    late = context(path, now=NOW).facts
    assert (late.understood, len(late.ecus)) == (0, 5)
    said = [finding.found for finding in await _records.check(context(path, now=NOW)) if finding.level is Level.SKIPPED]
    assert said[0].startswith("the latest day of 0 of 5 gateways was looked at")
    assert _facts.gather(config(path), NOW, thorough=True).understood == 5


async def test_a_journal_that_takes_too_long_is_no_failure_and_the_service_is_told_of_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.db"
    note(path, RUN_STATE, RUNNING)
    monkeypatch.setattr(runner, "FACTS_S", 0.0)
    late = context(facts=await runner.read_facts(config(path), NOW), configured=config(path), now=NOW)
    assert late.facts.is_late
    (service, unread) = await _records.check(late)
    assert (service.level, unread.level) == (Level.OK, Level.SKIPPED)
    said = [*await _journal.check(late), *_clocks.gateways(late)]
    assert Level.FAILURE not in levels(said)
    assert not any("no answer" in finding.meaning for finding in said)


def live(path: Path, *, hour: int) -> None:
    """Four rounds that came within a minute of their time, by a clock that shows this hour when it is 12 here."""
    frames = [frame(f"20260621{hour:02}{minute}00", yc600()) for minute in (20, 25, 30, 35)]
    store(path, *frames, received_at=[ns(f"2026-06-21T10:{minute}:30Z") for minute in (20, 25, 30, 35)])


async def test_a_clock_that_is_an_hour_off_is_a_failure_and_the_zone_that_is_named_mends_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    live(path, hour=11)
    failure = only(_clocks.gateways(context(path, now=NOW)), Level.FAILURE)
    assert "its clock is 1 h 0 min behind ours, read as Europe/Amsterdam" in failure.found
    assert 'timezone = "Etc/GMT-1"' in failure.remedy
    assert f"collector replay --ecu {ECU}" in failure.remedy
    mended = config(path, ecu=({"id": ECU, "timezone": "Etc/GMT-1"},))
    (finding,) = _clocks.gateways(context(now=NOW, configured=mended))
    assert (finding.level, "its clock is right" in finding.found) == (Level.OK, True)


async def test_where_no_zone_is_configured_that_is_the_matter_and_not_the_clock(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    frames = [frame(f"2026062115{minute + 30 - 20}00", yc600()) for minute in (20, 25, 30, 35)]
    store(path, *frames, received_at=[ns(f"2026-06-21T10:{minute - 20:02}:30Z") for minute in (20, 25, 30, 35)])
    failure = only(_clocks.gateways(context(now=NOW, configured=config(path, site={"name": "Home"}))), Level.FAILURE)
    assert failure.remedy.startswith('no time zone is configured, set site.timezone ("Asia/Kolkata" would fit)')
    assert "replay --all" in failure.remedy


async def test_a_clock_that_no_zone_explains_is_for_ntp_to_set(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    frames = [frame(f"202606211{1 + minute // 60}{minute % 60:02}00", yc600()) for minute in (50, 55, 60, 65)]
    store(path, *frames, received_at=[ns(f"2026-06-21T10:{minute}:30Z") for minute in (20, 25, 30, 35)])
    assert only(_clocks.gateways(context(path, now=NOW)), Level.FAILURE).remedy.startswith(
        "set the ECU's clock: it needs NTP"
    )
    unknown = context(now=NOW, configured=config(path, site={"name": "Home"}))
    remedy = only(_clocks.gateways(unknown), Level.FAILURE).remedy
    assert remedy.startswith("no time zone is configured, set site.timezone; then set the ECU's clock: it needs NTP")


def test_a_gateway_that_fell_silent_and_none_at_all_are_warnings(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    note(path, RUN_STATE, RUNNING)
    assert "no gateway was ever heard" in only(_clocks.gateways(context(path, now=NOW)), Level.WARNING).found
    live(path, hour=12)
    findings = _clocks.gateways(context(path, now=NOW + 7200 * NS))
    silent = only(findings, Level.WARNING)
    assert "was last heard 2026-06-21T10:35:30Z" in silent.found
    assert f'set replaces = "{ECU}" under' in silent.remedy


def test_a_gateway_that_asks_for_work_but_sends_nothing_by_day_as_others_do_is_a_warning(tmp_path: Path) -> None:
    path, now = tmp_path / "journal.db", NOW + 3600 * NS
    note(path, RUN_STATE, {**RUNNING, "beat_at": now})
    live(path, hour=12)
    store(path, POLL, received_at=[now - 60 * NS])
    place = {"name": "Home", "timezone": "Europe/Amsterdam", "latitude": 52.09, "longitude": 5.12}
    at = context(path, now=now, configured=config(path, site=place))
    # Alone it may be under snow.
    assert levels(_clocks.gateways(at)) == [Level.OK]
    store(path, frame("20260621134000", yc600(), ecu="216000999999"), received_at=[now - 60 * NS])
    at = context(path, now=now, configured=config(path, site=place))
    warning = only(_clocks.gateways(at), Level.WARNING)
    assert warning.found == (
        f"ECU {ECU} was last heard 2026-06-21T11:41:00Z, but its newest record is of 2026-06-21T10:35:00Z, though it is"
        " day where it is"
    )


def test_a_gateway_that_was_replaced_is_retired_and_nothing_is_the_matter_with_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    note(path, RUN_STATE, RUNNING)
    odd = UNKNOWN_BLOCK.replace(b"20260621123500", b"20260621000500")
    store(path, odd, received_at=[NOW - 11 * 3600 * NS])
    live(path, hour=11)
    before = context(path, now=NOW + 7200 * NS)
    assert [finding.level for finding in _clocks.gateways(before)] == [Level.WARNING, Level.FAILURE]
    configured = config(path, ecu=({"id": "216000999999", "name": "Roof", "replaces": ECU},))
    missing = only(_clocks.gateways(context(path, now=NOW + 7200 * NS, configured=configured)), Level.WARNING)
    assert missing.found == f"ECU Roof: 216000999999, which replaces {ECU}, was never heard"
    store(path, POLL.replace(ECU.encode(), b"216000999999"), received_at=[NOW + 7199 * NS])
    after = context(path, now=NOW + 7200 * NS, configured=configured)
    assert [(finding.level, finding.found) for finding in _clocks.gateways(after)] == [
        (
            Level.OK,
            "ECU Roof was last heard 2026-06-21T12:41:59Z, it has sent no record yet; too little came live of late"
            " to judge its clock",
        ),
        (Level.OK, f"ECU Roof ({ECU}) is retired, replaced by 216000999999"),
    ]
    assert (len(before.facts.puzzles), after.facts.puzzles, after.facts.understood) == (1, [], 2)


def test_a_gateway_that_polls_but_sends_no_records_for_days_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    live(path, hour=12)
    assert "its newest record is of 2026-06-21T10:35:00Z" in _clocks.gateways(context(path, now=NOW))[0].found
    later = ns("2026-11-21T10:42:00Z")
    store(path, POLL, received_at=[later])
    warning = only(_clocks.gateways(context(path, now=later)), Level.WARNING)
    assert "was last heard 2026-11-21T10:42:00Z, but its newest record is of 2026-06-21T10:35:00Z" in warning.found
    assert "data ports" in warning.remedy
    mended = frame("20261121114000", yc600())
    store(path, mended, received_at=[later])
    assert levels(_clocks.gateways(context(path, now=later))) == [Level.OK]


def test_a_gateway_that_never_sent_a_record_has_two_days_for_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    store(path, POLL, received_at=[NOW])
    (new,) = _clocks.gateways(context(path, now=NOW))
    assert (new.level, "has sent no record yet" in new.found) == (Level.OK, True)
    later = NOW + 3 * 24 * 3600 * NS
    store(path, POLL, received_at=[later])
    assert "never sent a record" in only(_clocks.gateways(context(path, now=later)), Level.WARNING).found


def test_a_machine_whose_clock_went_back_behind_its_last_record_is_told(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    live(path, hour=12)
    failure = only(_clocks.machine(context(path, now=NOW - 3600 * NS)), Level.FAILURE)
    assert "before the last record came" in failure.found


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks the Linux kernel")
def test_whether_a_time_service_keeps_the_clock_is_what_the_kernel_says() -> None:
    assert _clocks.is_synchronised() in (True, False, None)


async def test_the_zone_of_the_site_is_chosen_right_mistyped_or_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    (fine,) = await settings.check(context(path))
    assert fine.level is Level.OK
    unchosen = config(path, site={"name": "Home"})
    (forgotten,) = await settings.check(context(configured=unchosen))
    assert "UTC" in only([forgotten], Level.WARNING).found
    (mistyped,) = await settings.check(context(configured=unchosen, environ={"TZ": "Europe/Amsterdm"}))
    assert "did you mean 'Europe/Amsterdam'?" in only([mistyped], Level.WARNING).found
    (boards,) = await settings.check(context(path, environ={"TZ": ":Europe/Amsterdm"}))
    assert "the boards show UTC" in only([boards], Level.WARNING).meaning
    assert levels(await settings.check(context(path, environ={"TZ": ":Europe/Paris"}))) == [Level.OK]


async def test_devices_that_wait_to_be_accepted_are_counted_with_the_command_that_lets_them_in(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with contextlib.closing(Journal(path, Welcome())) as _journal:
        for order, raw in enumerate(rounds_of(22)):
            _journal.append([arrival(raw, NOW - NS + order)])
    (finding,) = [finding for finding in await found(path) if "accepted" in finding.found]
    assert finding.level is Level.WARNING
    assert finding.found.startswith("2 gateways (216000100020, 216000100021) wait to be accepted, with 2 records")
    assert "collector accept" in finding.remedy
    # They are not looked at, nor decoded.
    assert context(path, now=NOW).facts.gateways == 20


async def test_what_was_set_aside_because_of_its_time_is_no_new_model_to_be_reported(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    store(path, frame("20000101000500", yc600()), received_at=[NOW])
    with contextlib.closing(Journal(path)) as _journal:
        _journal.set_aside(1, f"{UNBELIEVABLE}'20000101000500'")
    (finding,) = [finding for finding in await found(path) if "set aside" in finding.found]
    assert finding.remedy == "set the clock of the ECU; collector redate --record 1 --received"
