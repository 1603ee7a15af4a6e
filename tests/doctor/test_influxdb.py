"""InfluxDB as the doctor finds it: a real one that is stopped, locked, remade or emptied, and what mends it."""

import time
from pathlib import Path

import pytest

from collector.clock.stamps import NS
from collector.config.model import Config
from collector.config.names import Names
from collector.delivery.influx import Access, InfluxSink
from collector.doctor import _influxdb
from collector.doctor.findings import Finding, Level
from collector.journal.state import RUN_STATE
from collector.journal.writing import Journal
from collector.points.decoding import decode
from collector.points.lines import LineWriter
from tests.conftest import Influx
from tests.doctor.contexts import context, levels, note, only, store
from tests.fake_influx import Answer, FakeInflux, error, json_answer
from tests.influxdb_server import InfluxServer
from tests.samples import ECU, config, frame, ns, stored, yc600

NOW = ns("2026-06-21T10:42:00Z")
RECORDS = [frame(f"20260621{time}00", yc600()) for time in ("0700", "1230", "1240")]


def configured(influx: Influx, path: Path, token: str | None = None, **sections: object) -> Config:
    return config(path, influxdb={**influx.settings, "token": token or influx.token}, **sections)


def write(influx: Influx, *frames: bytes) -> None:
    names, lines = Names(config()), LineWriter()
    points = [point for raw in frames for point in decode(stored(raw, NOW), names, None).points]
    influx.api.write(influx.bucket, "\n".join(lines.line(point) for point in points))


async def found(settings: Config) -> list[Finding]:
    # The comparison with InfluxDB's own clock is of now, so records may be as old as they are.
    return await _influxdb.check(context(configured=settings, now=time.time_ns()))


@pytest.fixture
def site(influx: Influx, tmp_path: Path) -> tuple[Influx, Path]:
    """Both buckets as the collector makes them, and a journal all of which was delivered."""
    path = tmp_path / "journal.db"
    store(path, *RECORDS, received_at=[NOW] * len(RECORDS))
    sink = InfluxSink(influx.url, influx.org, influx.token, influx.bucket, influx.rollup_bucket)
    sink.connect()
    sink.close()
    journal = Journal(path)
    journal.mark_delivered(range(1, len(RECORDS) + 1), NOW)
    journal.close()
    write(influx, *RECORDS)
    return influx, path


async def test_all_is_well(site: tuple[Influx, Path]) -> None:
    findings = await found(configured(*site))
    assert levels(findings) == [Level.OK] * 4
    assert "newest record, of 2026-06-21T10:40:00Z, and its oldest" in findings[-1].found


async def test_a_token_without_the_right_to_write(site: tuple[Influx, Path]) -> None:
    influx, path = site
    buckets = [influx.bucket, influx.rollup_bucket]
    token = influx.api.create_token(read=buckets, write=[influx.rollup_bucket])
    findings = await found(configured(influx, path, token))
    failure = only(findings, Level.FAILURE)
    assert failure.found == f"the token may not write the bucket '{influx.bucket}'"
    mended = influx.api.create_token(read=buckets, write=buckets)
    assert Level.FAILURE not in levels(await found(configured(influx, path, mended)))


async def test_a_token_without_the_right_to_read(site: tuple[Influx, Path]) -> None:
    influx, path = site
    token = influx.api.create_token(read=[influx.bucket], write=[influx.bucket, influx.rollup_bucket])
    failure = only(await found(configured(influx, path, token)), Level.FAILURE)
    assert failure.found == f"the token may not read the bucket '{influx.rollup_bucket}'"


async def test_a_token_that_influxdb_does_not_know_is_in_no_line(site: tuple[Influx, Path]) -> None:
    findings = await found(configured(*site, token="mistyped-token"))
    assert "does not know this token" in only(findings, Level.FAILURE).found
    assert "mistyped-token" not in repr(findings)


async def test_missing_buckets_are_not_made_by_a_look(influx: Influx, tmp_path: Path) -> None:
    findings = await found(configured(influx, tmp_path / "journal.db"))
    assert [finding.found.split("'")[1] for finding in findings if finding.level is Level.FAILURE] == [
        influx.bucket,
        influx.rollup_bucket,
    ]
    assert influx.api.bucket(influx.bucket) is None


async def test_a_bucket_with_the_databases_own_rules_is_a_warning(site: tuple[Influx, Path]) -> None:
    influx, path = site
    influx.api.drop_bucket(influx.rollup_bucket)
    influx.api.create_bucket(influx.rollup_bucket)
    warning = only(await found(configured(influx, path)), Level.WARNING)
    assert warning.found == f"the bucket '{influx.rollup_bucket}' has shard groups of 7 days"


async def test_a_bucket_that_drops_what_is_old_is_a_warning_and_the_remedy_takes_it_away(
    site: tuple[Influx, Path],
) -> None:
    influx, path = site
    bucket = influx.api.bucket(influx.rollup_bucket)
    assert bucket is not None
    rule = {"type": "expire", "everySeconds": 365 * 86_400, "shardGroupDurationSeconds": 52 * 7 * 86_400}
    influx.api.call("PATCH", f"/api/v2/buckets/{bucket['id']}", {"retentionRules": [rule]})
    warning = only(await found(configured(influx, path)), Level.WARNING)
    assert "drops points after 365 days" in warning.found
    influx.api.call("PATCH", f"/api/v2/buckets/{bucket['id']}", {"retentionRules": [rule | {"everySeconds": 0}]})
    assert Level.WARNING not in levels(await found(configured(influx, path)))


@pytest.mark.parametrize("key", ["bucket", "rollup_bucket"])
async def test_points_of_another_program_are_told_and_nobody_is_advised_to_delete_them(
    site: tuple[Influx, Path], key: str
) -> None:
    influx, path = site
    bucket: str = getattr(influx, key)
    measurement = "inverter" if key == "bucket" else "inverter_day"
    # Far from the collector's own points, where both types can be written.
    influx.api.write(
        bucket, f'{measurement},inverter=abc energy_wh=12i 1\n{measurement} energy_wh="1 Wh" 900000000000000000'
    )
    influx.api.write(bucket, "weather temperature_c=12i 1")
    findings = await found(configured(influx, path))
    failure = only(findings, Level.FAILURE)
    assert failure is findings[-1]
    assert failure.found == (
        f"the bucket '{bucket}' holds points of another program: {measurement}.energy_wh is integer and string (the"
        " collector's is float)"
    )
    assert f"by another name in influxdb.{key}" in failure.remedy
    assert "delete" not in failure.remedy


async def test_types_that_influxdb_does_not_tell_are_not_looked_at() -> None:
    with FakeInflux() as fake:
        fake.answers["/api/v2/query"] = Answer(200, b"", {"Content-Type": "text/csv"})
        fake.answers["/api/v2/buckets"] = json_answer(200, {"buckets": []})
        fake.answers["/query"] = error(404, "not found")
        findings = await found(fake_settings(fake))
    assert levels(findings) == [Level.OK, Level.OK, Level.OK, Level.SKIPPED, Level.SKIPPED]
    assert "types of the fields in the bucket 'solar' are not told" in findings[3].found


@pytest.mark.parametrize(
    ("retain_days", "kept"),
    [(0, "the journal has every record it ever got"), (30, "the journal has the records of the last 30 days")],
)
async def test_who_is_to_change_a_bucket_is_told_what_the_journal_can_bring_back(
    site: tuple[Influx, Path], retain_days: int, kept: str
) -> None:
    influx, path = site
    for name in (influx.bucket, influx.rollup_bucket):
        bucket = influx.api.bucket(name)
        assert bucket is not None
        rule = {"type": "expire", "everySeconds": 30 * 86_400, "shardGroupDurationSeconds": 7 * 86_400}
        influx.api.call("PATCH", f"/api/v2/buckets/{bucket['id']}", {"retentionRules": [rule]})
    settings = configured(influx, path)
    settings = settings.model_copy(update={"journal": settings.journal.model_copy(update={"retain_days": retain_days})})
    told = [
        finding for finding in await found(settings) if finding.level is Level.WARNING and "the bucket" in finding.found
    ]
    assert len(told) == 4
    assert all(kept in f"{finding.meaning} {finding.remedy}" for finding in told)
    assert not any("delete" in finding.remedy for finding in told)
    assert ["12 weeks" in finding.remedy for finding in told] == [False, True, False, False]


async def test_a_bucket_that_was_lost_is_told_though_nothing_waits(site: tuple[Influx, Path]) -> None:
    influx, path = site
    settings = configured(influx, path)
    influx.api.drop_bucket(influx.bucket)
    sink = InfluxSink(influx.url, influx.org, influx.token, influx.bucket, influx.rollup_bucket)
    sink.connect()
    sink.close()
    failure = only(await found(settings), Level.FAILURE)
    assert f"it has nothing of ECU {ECU}" in failure.found
    assert "collector replay --all" in failure.remedy
    write(influx, *RECORDS)
    assert levels(await found(settings)) == [Level.OK] * 4


async def test_a_past_that_is_missing_is_a_warning(influx: Influx, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    frames = [frame("20260601120000", yc600()), *RECORDS]
    store(path, *frames, received_at=[NOW] * len(frames))
    journal = Journal(path)
    journal.mark_delivered(range(1, len(frames) + 1), NOW)
    journal.close()
    sink = InfluxSink(influx.url, influx.org, influx.token, influx.bucket, influx.rollup_bucket)
    sink.connect()
    sink.close()
    write(influx, *RECORDS)
    warning = only(await found(configured(influx, path)), Level.WARNING)
    assert "nothing before 2026-06-21T05:00:00Z, and the journal begins 2026-06-01T10:00:00Z" in warning.found


async def test_records_that_wait_make_it_a_warning(influx: Influx, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    store(path, *RECORDS, received_at=[NOW] * len(RECORDS))
    sink = InfluxSink(influx.url, influx.org, influx.token, influx.bucket, influx.rollup_bucket)
    sink.connect()
    sink.close()
    assert "3 records wait" in only(await found(configured(influx, path)), Level.WARNING).found


async def test_an_influxdb_that_was_stopped_is_named_and_starting_it_mends_it(
    own_influx_server: InfluxServer, tmp_path: Path
) -> None:
    api = own_influx_server.api
    influx = Influx(api, "solar", "solar_daily")
    sink = InfluxSink(api.url, api.org, api.token, "solar", "solar_daily")
    sink.connect()
    sink.close()
    settings = configured(influx, tmp_path / "journal.db")
    own_influx_server.stop()
    failure = only(await found(settings), Level.FAILURE)
    assert "no connection" in failure.found
    assert api.url in failure.remedy
    own_influx_server.start()
    assert levels(await found(settings)) == [Level.OK] * 3


async def test_without_a_section_nothing_is_looked_at(tmp_path: Path) -> None:
    assert levels(await _influxdb.check(context(tmp_path / "journal.db"))) == [Level.SKIPPED]


def fake_settings(fake: FakeInflux, path: Path = Path("/nonexistent/journal.db")) -> Config:
    return config(path, influxdb={"url": fake.url, "org": "home", "token": "secret-token"})


async def test_something_else_that_answers_there_is_no_influxdb() -> None:
    with FakeInflux() as fake:
        fake.answers = {"/health": Answer(200, b"<html>", {"Content-Type": "text/html"})}
        assert "InfluxDB 2 never does" in only(await found(fake_settings(fake)), Level.FAILURE).found


async def test_a_clock_that_differs_from_influxdbs_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_influxdb, "TIMEOUT_S", 0.2)
    with FakeInflux() as fake:
        settings = fake_settings(fake)
        fake.answer = Answer(503)
        findings = await _influxdb.check(context(configured=settings, now=time.time_ns() + 7200 * NS))
    assert any("s ahead of InfluxDB's" in finding.found for finding in findings)


async def test_what_the_service_could_not_do_is_told_when_all_looks_well(
    site: tuple[Influx, Path],
) -> None:
    influx, path = site
    note(path, RUN_STATE, {"influxdb_error": "it was away"})
    assert "it was away" in only(await found(configured(influx, path)), Level.WARNING).found


async def test_a_service_with_a_former_token_is_to_be_restarted_though_records_wait(site: tuple[Influx, Path]) -> None:
    influx, path = site
    store(path, frame("20260621130000", yc600()), received_at=[NOW])
    note(path, RUN_STATE, {"influxdb_error": "HTTP 401"})
    told = [finding for finding in await found(configured(influx, path)) if finding.level is Level.WARNING]
    assert ["HTTP 401" in finding.found for finding in told] == [False, True]
    assert "restart the service" in told[-1].remedy


async def test_an_organisation_that_is_not_there_is_told_as_that_alone(site: tuple[Influx, Path]) -> None:
    influx, path = site
    settings = {"url": influx.url, "org": "nobody", "token": influx.token, "bucket": influx.bucket}
    findings = await found(config(path, influxdb=settings))
    failures = [finding.found for finding in findings if finding.level is Level.FAILURE]
    assert len(failures) == 2
    assert all("no such organisation" in text for text in failures)


@pytest.mark.parametrize("name", ["it's 100 %, für #1"])
def test_a_bucket_of_any_name_is_asked_for_by_it(influx: Influx, name: str) -> None:
    sink = InfluxSink(influx.url, influx.org, influx.token, influx.bucket, influx.rollup_bucket)
    assert sink.may_read(name) is Access.MISSING
    assert sink.may_write(name) is Access.MISSING
    assert sink.rules(name) is None
    influx.api.create_bucket(name)
    try:
        assert sink.may_read(name) is Access.GRANTED
        assert sink.may_write(name) is Access.GRANTED
        rules = sink.rules(name)
        assert rules is not None
        assert (rules.retention_s, rules.shard_group_s) == (0, 7 * 86_400)
    finally:
        influx.api.drop_bucket(name)
        sink.close()
