"""What `status` makes of a journal: health with each thing that can spoil it, energies of the day, and the view."""

import io
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from collector import disk
from collector.analysis.results import ANALYSIS_STATE, FAILURE_STATE
from collector.commands import _status_in_brief, _status_in_full
from collector.config.model import Config, Ledger
from collector.config.names import Names
from collector.delivery.influx_answers import rejection
from collector.journal.job_writing import Jobs
from collector.journal.jobs import Progress, Request, jobs, stale_days
from collector.journal.reading import JournalReader
from collector.journal.state import NAMES_STATE, RUN_STATE
from collector.journal.writing import Journal
from collector.points.puzzles import Puzzle
from collector.protocol.connection import STALE_TAIL
from collector.protocol.upload import LateGroup
from collector.status import health
from collector.status.health import DECODING_CHANGED, LONG_WAIT_NS, NAMES_CHANGED, EcuStatus, InverterStatus, Status
from collector.status.site import gather
from tests.ledger.books import RECEIVED, Books
from tests.samples import ECU, UID, arrival, config, day_times, fill_up, frame, ns, optimizer, qs1, yc600

OTHER = "216000999999"
NOW = ns("2026-06-21T10:42:00Z")
SECOND = 10**9
RUNNING: dict[str, object] = {"started_at": NOW - 3600 * SECOND, "beat_at": NOW - 5 * SECOND}
STOPPED: dict[str, object] = {"started_at": NOW - 3600 * SECOND, "stopped_at": NOW - 5 * SECOND}


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "journal.db")
    journal.open()
    yield journal
    journal.close()


def look(journal: Journal, *, now: int = NOW, **sections: object) -> Status:
    return gather(config(journal.path, **sections), now)


def look_briefly(journal: Journal, *, has_influxdb: bool = False) -> Status:
    return health.gather(journal.path, NOW, has_influxdb=has_influxdb)


def store(journal: Journal, *frames: bytes, received_at: int = NOW - 60 * SECOND) -> None:
    for order, raw in enumerate(frames):
        journal.append([arrival(raw, received_at + order)])


def test_a_service_that_beats_is_healthy(journal: Journal) -> None:
    journal.put_state(RUN_STATE, RUNNING)
    found = look(journal)
    assert (found.healthy, found.problems, found.state) == (True, [], "running since 2026-06-21T09:42:00Z")


@pytest.mark.parametrize(
    ("run", "state"), [({}, "never started"), (STOPPED, "stopped 2026-06-21T10:41:55Z")], ids=["never", "in order"]
)
def test_a_service_that_is_not_meant_to_run_is_no_problem_but_worth_a_word(
    journal: Journal, run: dict[str, object], state: str
) -> None:
    if run:
        journal.put_state(RUN_STATE, run)
    found = look(journal)
    assert (found.healthy, found.state) == (True, state)
    assert found.warnings == ["the collector does not run: gateways get no answer until it is started"]


def test_a_missing_journal_is_a_problem_that_says_how_to_get_one(tmp_path: Path) -> None:
    found = gather(config(tmp_path / "journal.db"), NOW)
    assert not found.healthy
    assert found.problems == [f"there is no journal at {tmp_path / 'journal.db'}: `collector run` makes it"]


@pytest.mark.parametrize("content", [b"", b"this is no database, but long enough to be one" * 100])
def test_a_file_that_is_no_journal_is_a_problem(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "journal.db").write_bytes(content)
    found = gather(config(tmp_path / "journal.db"), NOW)
    assert not found.healthy
    assert "journal.db" in found.problems[0]


def test_a_missing_sign_of_life_is_a_problem(journal: Journal) -> None:
    journal.put_state(RUN_STATE, RUNNING)
    found = look(journal, now=NOW + 56 * SECOND)
    assert not found.healthy
    assert "no sign of life since 2026-06-21T10:41:55Z" in found.problems[0]


def test_a_sign_of_life_of_a_clock_that_was_ahead_is_none(journal: Journal) -> None:
    journal.put_state(RUN_STATE, RUNNING | {"beat_at": NOW + 61 * SECOND})
    assert "no sign of life" in look(journal).problems[0]
    assert look(journal, now=NOW + 54 * SECOND).healthy


def test_a_journal_that_takes_nothing_is_a_problem(journal: Journal) -> None:
    since = NOW - 600 * SECOND
    failed = {"journal_error": "the disk is full", "journal_error_since": since, "unanswered": 12}
    journal.put_state(RUN_STATE, RUNNING | failed)
    found = look(journal)
    assert not found.healthy
    assert found.problems == [
        "gateways get no answer since 2026-06-21T10:32:00Z, 12 times so far: the disk is full",
    ]


def test_an_influxdb_that_is_away_is_a_problem_with_the_number_of_records_that_wait(journal: Journal) -> None:
    store(journal, frame("20260621123500", yc600()), frame("20260621124000", yc600()))
    failed = {"influxdb_error": "no connection; is it running?", "influxdb_error_since": NOW - 600 * SECOND}
    journal.put_state(RUN_STATE, RUNNING | failed)
    found = look(journal)
    assert not found.healthy
    assert found.pending == 2
    assert found.problems == [
        "InfluxDB unavailable since 2026-06-21T10:32:00Z, records waiting: 2; no connection; is it running?"
    ]


def test_a_disk_that_is_almost_full_is_a_problem(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "free_bytes", lambda _path: 99 * 1024 * 1024)
    found = look(journal)
    assert not found.healthy
    assert found.problems == ["the disk is almost full: 99 MiB are left beside the journal"]
    monkeypatch.setattr(disk, "free_bytes", lambda _path: 100 * 1024 * 1024)
    assert look(journal).healthy


def test_several_problems_are_told_together(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "free_bytes", lambda _path: 0)
    journal.put_state(RUN_STATE, RUNNING | {"journal_error": "a", "influxdb_error": "b"})
    assert len(look(journal, now=NOW + 3600 * SECOND).problems) == 4


def test_what_was_not_understood_is_a_warning_with_its_reasons_and_no_problem(journal: Journal) -> None:
    journal.put_state(RUN_STATE, RUNNING)
    store(journal, b"APS18 odd", b"APS18 odder", frame("20260621124000", yc600()))
    journal.set_aside(3, "InfluxDB refused it")
    journal.refuse(NOW, 8995, "192.0.2.1", "no message of a gateway", b"GET / HTTP/1.1")
    found = look(journal)
    assert (found.healthy, found.set_aside, found.pending, found.refused) == (True, 3, 0, 1)
    assert found.warnings == [
        "2 not understood or refused by InfluxDB: no time stamp of a record where one should be",
        "1 not understood or refused by InfluxDB: InfluxDB refused it",
    ]


def test_points_of_another_program_are_a_problem_with_the_remedy_however_few_they_are(journal: Journal) -> None:
    journal.put_state(RUN_STATE, RUNNING)
    store(journal, *(frame(f"2026062112{minute:02}00", yc600()) for minute in range(20)))
    for number, reason in enumerate("abcdefgh"):
        journal.set_aside(2 * number + 1, reason)
        journal.set_aside(2 * number + 2, reason)
    message = (
        'field type conflict: input field "power_w" on measurement "ecu" is type float, already exists as type string'
    )
    rejected = rejection(f"partial write: {message} dropped=1", "solar", "influxdb.bucket")
    assert rejected is not None
    journal.set_aside(20, rejected.reason)
    found = look_briefly(journal)
    assert not found.healthy
    (problem,) = found.problems
    assert problem.startswith("1 refused by InfluxDB: InfluxDB holds points of another program in the bucket 'solar'")
    assert problem.endswith("(influxdb.bucket), restart it, and run `collector replay --all`")
    assert len(found.warnings) == 5
    assert all(warning.startswith("2 not understood") for warning in found.warnings)


INFLUXDB = {"url": "http://127.0.0.1:8086", "org": "home", "token": "token"}


def test_names_that_changed_are_a_warning_until_they_are_replayed(journal: Journal) -> None:
    named: dict[str, Any] = {"inverter": ({"id": UID, "name": "Attic"},), "influxdb": INFLUXDB}
    journal.put_state(RUN_STATE, RUNNING)
    journal.put_state(NAMES_STATE, {"fingerprint": Names(config()).fingerprint()})
    assert look(journal, influxdb=INFLUXDB).warnings == []
    assert look(journal, inverter=named["inverter"]).warnings == []
    found = look(journal, **named)
    assert found.healthy
    assert found.warnings == [NAMES_CHANGED]
    journal.put_state(NAMES_STATE, {"fingerprint": Names(config(**named)).fingerprint()})
    assert look(journal, **named).warnings == []


@pytest.mark.parametrize(
    "changed",
    [
        {"site": {"name": "Home", "timezone": "Europe/Berlin"}},
        {"ecu": ({"id": ECU, "timezone": "Europe/Berlin"},)},
    ],
)
def test_so_is_a_time_zone_that_changed(journal: Journal, changed: dict[str, Any]) -> None:
    journal.put_state(RUN_STATE, RUNNING)
    journal.put_state(NAMES_STATE, {"fingerprint": Names(config()).fingerprint()})
    assert look(journal, influxdb=INFLUXDB, **changed).warnings == [NAMES_CHANGED]


def test_what_a_collector_of_before_says_of_its_names_is_no_change(journal: Journal) -> None:
    # The service has not been started since the update.
    journal.put_state(RUN_STATE, STOPPED)
    named: dict[str, Any] = {"inverter": ({"id": UID, "name": "Attic"},), "influxdb": INFLUXDB}
    journal.put_state(NAMES_STATE, {"fingerprint": Names(config(**named)).fingerprint_of_before()})
    assert NAMES_CHANGED not in look(journal, **named).warnings
    assert NAMES_CHANGED in look(journal, influxdb=INFLUXDB).warnings


def test_what_records_tell_since_an_update_is_asked_for_until_it_is_written_into_the_past(journal: Journal) -> None:
    names = Names(config())
    journal.put_state(RUN_STATE, RUNNING | {"names": names.fingerprint()})
    for known in (names.fingerprint("1"), names.fingerprint_of_before()):
        journal.put_state(NAMES_STATE, {"fingerprint": known})
        assert look(journal, influxdb=INFLUXDB).warnings == [DECODING_CHANGED]
        assert look(journal).warnings == []
    journal.put_state(NAMES_STATE, {"fingerprint": names.fingerprint("1")})
    assert look_briefly(journal, has_influxdb=True).warnings == [DECODING_CHANGED]
    assert look_briefly(journal).warnings == []
    journal.put_state(NAMES_STATE, {"fingerprint": names.fingerprint()})
    assert look(journal, influxdb=INFLUXDB).warnings == []
    assert look_briefly(journal, has_influxdb=True).warnings == []


def test_days_that_wait_for_their_roll_up_are_counted_and_worth_a_word_only_when_something_is_wrong(
    journal: Journal,
) -> None:
    journal.mark_delivered((), NOW, days=[(ECU, "2026-06-20"), (ECU, "2026-06-21")])
    journal.put_state(RUN_STATE, RUNNING)
    found = look(journal)
    assert (found.rollups_pending, found.warnings, found.healthy) == (2, [], True)
    journal.put_state(RUN_STATE, {**RUNNING, "rollup_error": "the token lacks a right"})
    assert look(journal).warnings == ["2 days wait for their roll-up: the token lacks a right"]
    with JournalReader(journal.path) as reader:
        marks = stale_days(reader)
    Jobs(journal).clear_days(marks[1:], (), (), NOW)
    assert look(journal).warnings == ["1 day waits for its roll-up: the token lacks a right"]
    Jobs(journal).clear_days(marks, (), (), NOW)
    assert look(journal).warnings == ["roll-ups can't be computed: the token lacks a right"]


REPLAYS = "a replay is not finished: {} of {} records; the service does the rest by itself"


def test_what_a_replay_has_not_written_again_yet_counts_as_waiting(journal: Journal) -> None:
    journal.put_state(RUN_STATE, RUNNING)
    times = ("20260619120000", "20260620120000", "20260620120500", "20260621121000", "20260621121500")
    store(journal, *(frame(time, yc600()) for time in times))
    journal.mark_delivered(range(1, 6), NOW)
    work = Jobs(journal)
    (job,) = work.ask([Request("replay", ECU)], NOW)

    def seen() -> tuple[int, list[str]]:
        found = look(journal, influxdb=INFLUXDB)
        assert (found.healthy, found.jobs) == (True, found.warnings)
        assert json.loads(json.dumps(found.as_json()))["jobs"] == found.jobs
        return found.pending, found.jobs

    # Nothing was deleted yet.
    assert seen() == (0, [REPLAYS.format(0, 5)])
    work.begin_span(job, "2026-06-20", "2026-06-21")
    assert seen() == (2, [REPLAYS.format(0, 5)])
    work.span_deleted(job)
    assert seen() == (2, [REPLAYS.format(0, 5)])
    work.advance(job, Progress(cursor=2, records=1))
    assert seen() == (1, [REPLAYS.format(1, 5)])
    # What comes meanwhile waits as ever, and counts once.
    store(journal, frame("20260620120700", yc600()))
    assert seen() == (2, [REPLAYS.format(1, 5)])
    journal.mark_delivered([6], NOW)
    work.advance(job, Progress(cursor=6, records=2))
    work.end_span(job, is_last=True)
    assert seen() == (0, [REPLAYS.format(3, 5)])
    work.mark(job, [], NOW)
    with JournalReader(journal.path) as reader:
        assert jobs(reader, [job])[0].ended
    assert seen() == (0, [])


def test_jobs_are_told_by_their_kind_and_not_one_by_one(journal: Journal) -> None:
    journal.put_state(RUN_STATE, RUNNING)
    store(journal, frame("20260621124000", yc600()), frame("20260621124000", yc600(), ecu=OTHER))
    journal.mark_delivered([1, 2], NOW)
    requests = [Request("replay", ECU), Request("replay", OTHER), Request("rollup", ECU), Request("rollup", OTHER)]
    Jobs(journal).ask(requests, NOW)
    told = [
        REPLAYS.format(0, 2),
        "the computation of roll-ups is not finished; the service does the rest by itself",
    ]
    found = look_briefly(journal, has_influxdb=True)
    assert (found.jobs, found.warnings) == (told, told)
    assert f"warning: {told[0]}\n" in shown(found)


def test_without_an_influxdb_nobody_is_told_of_jobs(journal: Journal) -> None:
    journal.put_state(RUN_STATE, RUNNING)
    store(journal, frame("20260621124000", yc600()))
    (job,) = Jobs(journal).ask([Request("replay", ECU)], NOW)
    Jobs(journal).begin_span(job, "", "")
    found = look(journal)
    assert (found.pending, found.jobs, found.warnings) == (1, [], [])


def test_a_record_that_waits_for_longer_than_ten_minutes_is_a_problem_whatever_the_cause(journal: Journal) -> None:
    journal.put_state(RUN_STATE, RUNNING)
    store(journal, frame("20260621123500", yc600()), received_at=NOW - LONG_WAIT_NS)
    assert LONG_WAIT_NS == 600 * SECOND
    assert look(journal, influxdb=INFLUXDB).problems == []
    problem = "1 records wait for InfluxDB, the first since 2026-06-21T10:31:59Z: see the log of the service"
    store(journal, frame("20260621123000", yc600()), received_at=NOW - LONG_WAIT_NS - 1)
    journal.mark_delivered([1], NOW)
    found = look(journal, influxdb=INFLUXDB)
    assert (found.healthy, found.problems) == (False, [problem])
    # Without an InfluxDB they wait for nothing.
    assert look(journal).problems == []
    # An outage is told with what is known of it, and once.
    journal.put_state(RUN_STATE, RUNNING | {"influxdb_error": "no connection", "influxdb_error_since": NOW})
    (problem,) = look(journal, influxdb=INFLUXDB).problems
    assert problem.startswith("InfluxDB unavailable since")


def test_the_oldest_is_the_one_that_counts_also_behind_records_that_came_later(journal: Journal) -> None:
    journal.put_state(RUN_STATE, RUNNING)
    store(journal, frame("20260621123500", yc600()), received_at=NOW - 700 * SECOND)
    store(journal, frame("20260621124000", yc600()))
    (problem,) = look(journal, influxdb=INFLUXDB).problems
    assert problem.startswith("2 records wait for InfluxDB, the first since 2026-06-21T10:30:20Z")


def test_what_failed_in_the_service_is_a_problem(journal: Journal) -> None:
    failures = ["the daily roll-ups failed and is tried again: KeyError: 'energy'", "the metrics failed"]
    journal.put_state(RUN_STATE, RUNNING | {"failures": failures})
    found = look_briefly(journal)
    assert (found.healthy, found.problems) == (False, failures)
    journal.put_state(RUN_STATE, RUNNING | {"failures": []})
    assert look(journal).healthy


def test_the_keys_of_the_json_are_those_that_were_promised(journal: Journal) -> None:
    store(journal, frame("20260621124000", yc600()))
    said = json.loads(json.dumps(look(journal).as_json()))
    assert set(said) >= {"healthy", "problems", "pending", "set_aside", "jobs", "ecus"}
    assert set(said["ecus"][0]) >= {
        "id",
        "last_record",
        "records",
        "energy_today_wh",
        "ac_energy_today_wh",
        "inverters",
    }
    assert said["ecus"][0]["inverters"][0]["id"] == UID


def test_a_gateway_has_its_latest_record_and_its_inverters_with_what_they_gave_today(journal: Journal) -> None:
    store(
        journal,
        frame("20260621123500", yc600(), qs1()),
        frame("20260621124000", yc600(watts=(30, 31), ac_power_w=57.34)),
    )
    (ecu,) = look(journal, ecu=({"id": ECU, "name": "Roof"},), inverter=({"id": UID, "name": "Attic"},)).ecus
    assert ecu == EcuStatus(
        id=ECU,
        name="Roof",
        last_contact="2026-06-21T10:41:00Z",
        last_record="2026-06-21T10:40:00Z",
        records=2,
        # 2 * 4.036 + 12.385 Wh
        energy_today_wh=20.457,
        ac_energy_today_wh=19.865,
        clock_skew_s=60.000000001,
        inverters=[
            InverterStatus(UID, "Attic", "YC600", "2026-06-21T10:40:00Z", 61, 57.34, 8.072, 7.52),
            InverterStatus("806000000202", "806000000202", "QS1", "2026-06-21T10:35:00Z", 155, 145.7, 12.385, 12.345),
        ],
        state="Reports",
    )


def energy_today_wh(journal: Journal) -> float:
    return look(journal).ecus[0].energy_today_wh


def test_what_no_input_can_have_made_does_not_count_today(journal: Journal) -> None:
    sent = (("20260621000000", 23.3), ("20260621000500", 900.0), ("20260621001000", 31.0), ("20260621041000", 112.0))
    store(journal, *(frame(time, yc600(watts=(280, 280), wh=(wh, 23.3), ac_power_w=None)) for time, wh in sent))
    (ecu,) = look(journal).ecus
    # The powers stand in for the whole counter, and after four hours a digit is missing.
    assert ecu.energy_today_wh == pytest.approx(23.3 + 280 / 12 + 31 + 1120 + 4 * 23.3)
    assert ecu.ac_energy_today_wh == pytest.approx(0.94 * ecu.energy_today_wh, abs=0.01)
    # A panel of 200 W does not give 31 Wh in five minutes either.
    panel = {"channel": 1, "peak_w": 200.0}
    (ecu,) = look(journal, inverter=({"id": UID, "panels": (panel,)},)).ecus
    assert ecu.energy_today_wh == pytest.approx(23.3 + 2 * 280 / 12 + 1120 + 4 * 23.3)


def test_a_site_of_optimizers_has_no_ac_energy(journal: Journal) -> None:
    store(journal, frame("20260621124000", optimizer(), version=16))
    found = look(journal)
    assert (found.ecus[0].energy_today_wh, found.ecus[0].ac_energy_today_wh) == (18.675, None)
    assert "today 0.019 kWh DC" in shown(found)
    assert "18.7 DC" in shown(found)


def test_today_begins_at_the_local_midnight(journal: Journal) -> None:
    store(journal, *(frame(time, yc600()) for time in ("20260620235500", "20260621000000", "20260621000500")))
    assert energy_today_wh(journal) == 8.072
    # Midnight in Amsterdam, and two minutes before it on a clock ten hours west of Greenwich.
    assert look(journal, now=ns("2026-06-21T22:00:00Z")).ecus[0].energy_today_wh == 0
    west = ({"id": ECU, "timezone": "Etc/GMT+10"},)
    assert look(journal, now=ns("2026-06-22T09:58:00Z"), ecu=west).ecus[0].energy_today_wh == 8.072


def test_a_record_that_came_again_counts_once_and_the_later_bytes_count(journal: Journal) -> None:
    record = frame("20260621123500", yc600())
    store(journal, record, record, record)
    assert energy_today_wh(journal) == 4.036
    # The same round once more, with a block that reached the gateway late.
    store(journal, frame("20260621123500", yc600(), qs1()), record)
    assert energy_today_wh(journal) == 16.421


def test_late_groups_count_for_the_day_they_belong_to(journal: Journal) -> None:
    late = (LateGroup("20260621061000", (yc600(wh=(1, 2)),)), LateGroup("20260620180000", (yc600(wh=(10, 20)),)))
    store(journal, frame("20260621123500", yc600(), late=late), fill_up("30260621010512", late[1]))
    assert energy_today_wh(journal) == 7.036


def test_by_night_the_latest_day_is_shown_with_no_energy_today(journal: Journal) -> None:
    store(journal, frame("20260620213000", yc600()), received_at=ns("2026-06-20T19:31:00Z"))
    (ecu,) = look(journal, now=ns("2026-06-21T02:00:00Z")).ecus
    assert (ecu.energy_today_wh, ecu.last_record) == (0, "2026-06-20T19:30:00Z")
    assert [(inverter.id, inverter.dc_power_w, inverter.energy_today_wh) for inverter in ecu.inverters] == [
        (UID, 47, 0)
    ]


def test_a_gateway_that_only_polls_has_no_record(journal: Journal) -> None:
    store(journal, f"APS1300051A101AAA0{ECU}A10100000000000000END".encode())
    (ecu,) = look(journal).ecus
    assert (ecu.last_record, ecu.records, ecu.inverters, ecu.clock_skew_s) == (None, 0, [], None)


def test_a_gateway_that_fell_silent_is_a_warning(journal: Journal) -> None:
    journal.put_state(RUN_STATE, RUNNING)
    store(journal, frame("20260621124000", yc600()))
    assert look(journal, now=NOW + 3500 * SECOND).warnings == []
    found = look(journal, now=NOW + 3700 * SECOND)
    assert found.warnings == [
        f"ECU {ECU} was last heard 2026-06-21T10:41:00Z: check that its cloud names lead here; if another took its"
        f' place, set replaces = "{ECU}" under that one\'s [[ecu]]'
    ]


UTRECHT = {"name": "Home", "timezone": "Europe/Amsterdam", "latitude": 52.09, "longitude": 5.12}
PHOENIX = {"id": OTHER, "name": "Phoenix", "timezone": "America/Phoenix", "latitude": 33.45, "longitude": -112.07}


def test_a_gateway_is_silent_by_day_and_by_that_of_its_own_place(journal: Journal) -> None:
    journal.put_state(RUN_STATE, RUNNING)
    # Both were last heard at a quarter to eight in the evening of Phoenix, which is the morning in Utrecht.
    store(journal, frame("20260621044000", yc600()), received_at=ns("2026-06-21T02:41:00Z"))
    store(journal, frame("20260620194000", qs1(), ecu=OTHER), received_at=ns("2026-06-21T02:41:00Z"))

    def states(now: str, since: str = "2026-06-20T22:00:00Z", **sections: object) -> dict[str, str]:
        at = ns(now)
        journal.put_state(RUN_STATE, {"started_at": ns(since), "beat_at": at})
        return {ecu.id: ecu.state for ecu in look(journal, now=at, site=UTRECHT, **sections).ecus}

    assert states("2026-06-21T03:00:00Z") == {ECU: "Reports", OTHER: "Reports"}
    assert states("2026-06-21T07:00:00Z", ecu=(PHOENIX,)) == {ECU: "Silent", OTHER: "Night"}
    # A zone alone tells that the sun of Utrecht is not its own.
    elsewhere = {"id": OTHER, "timezone": "America/Phoenix"}
    assert states("2026-06-21T07:00:00Z", ecu=(elsewhere,)) == {ECU: "Silent", OTHER: "Quiet"}
    # The one fell silent in its own morning, and is so by night as well.
    assert states("2026-06-21T22:00:00Z", ecu=(PHOENIX,)) == {ECU: "Silent", OTHER: "Silent"}
    # Of the light before it came a collector does not know, only of that in Phoenix.
    late = states("2026-06-21T22:00:00Z", since="2026-06-21T20:00:00Z", ecu=(PHOENIX,))
    assert late == {ECU: "Quiet", OTHER: "Silent"}


def test_a_round_that_came_twice_was_heard_when_it_came_last(journal: Journal) -> None:
    store(journal, frame("20260621124000", yc600()), received_at=NOW)
    # Both clocks were ahead for a while, so that what comes then counts as new once more.
    store(journal, frame("20280621124000", yc600()), received_at=ns("2028-06-21T10:42:00Z"))
    store(journal, frame("20260621124000", yc600(), qs1()), received_at=NOW + 300 * SECOND)
    now = NOW + 2800 * SECOND
    journal.put_state(RUN_STATE, RUNNING | {"beat_at": now})
    (ecu,) = look(journal, now=now, site=UTRECHT).ecus
    assert ecu.state == "Reports"


def test_a_silent_gateway_is_a_warning_before_it_was_not_heard_for_an_hour(journal: Journal) -> None:
    store(journal, frame("20260621124000", yc600()), frame("20260621124500", qs1(), ecu=OTHER))
    now = NOW + 3000 * SECOND
    journal.put_state(RUN_STATE, RUNNING | {"beat_at": now})
    journal.append([arrival(frame("20260621133000", qs1(), ecu=OTHER), now)])
    assert look(journal, now=now, site=UTRECHT).warnings == [
        f"ECU {ECU} is silent: its newest record is of 2026-06-21T10:40:00Z, though it is day where it is; look whether"
        " it has power and network, at the circuit breaker of its inverters, and whether its cloud names lead here"
    ]
    # The collector has just come back.
    journal.put_state(RUN_STATE, {"started_at": now - 60 * SECOND, "beat_at": now})
    assert look(journal, now=now, site=UTRECHT).warnings == []


def test_a_day_of_a_gateway_is_what_it_usually_is(journal: Journal) -> None:
    for day in range(10, 20):
        for time in ("070000", "190000"):
            store(journal, frame(f"202606{day}{time}", yc600()), received_at=ns(f"2026-06-{day}T19:00:00Z"))
    found = {}
    for hour in (6, 8, 12, 18):
        now = ns(f"2026-06-20T{hour - 2:02}:00:00Z")
        journal.put_state(RUN_STATE, RUNNING | {"started_at": now - 7200 * SECOND, "beat_at": now})
        (ecu,) = look(journal, now=now).ecus
        found[hour] = ecu.state
    assert found == {6: "Night", 8: "Night", 12: "Silent", 18: "Silent"}


def test_an_inverter_that_missed_two_hours_of_good_light_is_silent(journal: Journal) -> None:
    store(journal, frame("20260621083000", yc600(), qs1()), received_at=ns("2026-06-21T06:31:00Z"))
    for minute in range(2 * 60 + 5):
        if minute % 5 == 0:
            time = f"{8 + (35 + minute) // 60:02}{(35 + minute) % 60:02}"
            store(journal, frame(f"20260621{time}00", yc600()), received_at=NOW - 120 * SECOND)
            silent = {inverter.id: inverter.silent_since for ecu in look(journal).ecus for inverter in ecu.inverters}
            since = "2026-06-21T06:30:00Z" if minute >= 23 * 5 else None
            assert silent == {UID: None, "806000000202": since}, time
    warnings = look(journal).warnings
    assert any(
        warning.startswith(f"inverter 806000000202 of ECU {ECU} is silent since 2026-06-21T06:30:00Z")
        for warning in warnings
    )


def test_an_inverter_that_is_silent_for_days_is_listed_until_a_fortnight_has_passed(journal: Journal) -> None:
    store(journal, frame("20260610120500", yc600(), qs1()), received_at=ns("2026-06-10T10:06:00Z"))
    for hour in range(10, 13):
        for minute in range(0, 60, 5):
            record = frame(f"20260621{hour}{minute:02}00", yc600())
            store(journal, record, received_at=ns(f"2026-06-21T{hour - 2:02}:{minute:02}:30Z"))
    (ecu,) = look(journal, now=ns("2026-06-21T11:00:00Z")).ecus
    assert [(inverter.id, inverter.last_record, inverter.silent_since) for inverter in ecu.inverters] == [
        (UID, "2026-06-21T10:55:00Z", None),
        ("806000000202", "2026-06-10T10:05:00Z", "2026-06-10T10:05:00Z"),
    ]
    assert "806000000202, silent" in shown(look(journal, now=ns("2026-06-21T11:00:00Z")))
    (ecu,) = look(journal, now=ns("2026-06-25T11:00:00Z")).ecus
    assert [inverter.id for inverter in ecu.inverters] == [UID]
    replaced = ({"id": UID, "replaces": "806000000202"},)
    (ecu,) = look(journal, now=ns("2026-06-21T11:00:00Z"), inverter=replaced).ecus
    assert [inverter.id for inverter in ecu.inverters] == [UID]


REPLACING = {"id": OTHER, "name": "Roof", "replaces": ECU}


def test_a_gateway_that_was_replaced_is_retired_and_warns_of_nothing(journal: Journal) -> None:
    journal.put_state(RUN_STATE, RUNNING)
    for minute in (20, 25, 30, 35):
        # An hour behind, with an inverter that nobody understands, and silent since.
        record = frame(f"2026062111{minute}00", yc600(), broken=("9030000010912" + "2" * 80,))
        journal.append([arrival(record, ns(f"2026-06-21T10:{minute}:30Z"))])
    store(journal, frame("20260621133500", yc600(), ecu=OTHER), received_at=ns("2026-06-21T11:36:00Z"))
    now = ns("2026-06-21T11:40:00Z")
    assert len(look(journal, now=now).warnings) == 3
    found = look(journal, now=now, ecu=(REPLACING,))
    assert (found.warnings, found.understood_in_part) == ([], [])
    living, old = found.ecus
    assert [(ecu.id, ecu.name, ecu.replaced_by) for ecu in (living, old)] == [
        (OTHER, "Roof", None),
        (ECU, "Roof", OTHER),
    ]
    # What it gave before it was replaced is a part of the day.
    assert (old.records, old.energy_today_wh > 0, len(old.inverters)) == (4, True, 1)
    tomorrow = look(journal, now=now + 24 * 3600 * SECOND, ecu=(REPLACING,)).ecus
    assert [(ecu.id, ecu.energy_today_wh, len(ecu.inverters)) for ecu in tomorrow] == [(OTHER, 0, 1), (ECU, 0, 0)]


def test_a_successor_that_was_never_heard_is_a_warning(journal: Journal) -> None:
    journal.put_state(RUN_STATE, RUNNING)
    store(journal, frame("20260621124000", yc600()))
    assert look(journal, now=NOW + 3700 * SECOND, ecu=(REPLACING,)).warnings == [
        f"ECU Roof: {OTHER}, which replaces {ECU}, was never heard: check its id, and that its cloud names lead here"
    ]
    store(journal, frame("20260621124000", yc600(), ecu=OTHER), received_at=NOW)
    assert look(journal, ecu=(REPLACING,)).warnings == []


def test_before_its_day_a_gateway_is_not_retired(journal: Journal) -> None:
    journal.put_state(RUN_STATE, RUNNING)
    store(journal, frame("20260621124000", yc600()))
    late = NOW + 3700 * SECOND
    assert len(look(journal, now=late, ecu=(REPLACING | {"from": "2026-06-22"},)).warnings) == 1
    store(journal, frame("20260621124000", yc600(), ecu=OTHER), received_at=late)
    assert look(journal, now=late, ecu=(REPLACING | {"from": "2026-06-21"},)).warnings == []


def test_an_inverter_that_was_replaced_today_is_told_apart(journal: Journal) -> None:
    new = "704000000009"
    store(journal, frame("20260621123500", yc600()), frame("20260621124000", yc600(new)))
    found = look(journal, inverter=({"id": new, "name": "Attic", "replaces": UID},))
    assert [(one.id, one.name, one.replaced_by) for one in found.ecus[0].inverters] == [
        (UID, "Attic", new),
        (new, "Attic", None),
    ]
    assert f"Attic ({UID}), replaced by {new}" in shown(found)


def test_the_view_names_a_retired_gateway_and_its_successor(journal: Journal) -> None:
    store(journal, frame("20260621124000", yc600()))
    text = shown(look(journal, ecu=(REPLACING,)))
    assert f"ECU Roof ({ECU}): retired, replaced by {OTHER}; 1 records, last record 2026-06-21T10:40:00Z" in text
    assert "inverter" not in text


def test_a_clock_that_is_off_is_a_warning(journal: Journal) -> None:
    journal.put_state(RUN_STATE, RUNNING)
    for minute in (20, 25, 30, 35):
        record = frame(f"2026062111{minute}00", yc600())
        journal.append([arrival(record, ns(f"2026-06-21T10:{minute}:30Z"))])
    found = look(journal)
    assert found.warnings == [
        f'ECU {ECU}: its clock is 1 h 0 min behind: timezone = "Etc/GMT-1" (or "Europe/London" or "Africa/Casablanca"'
        " if it knows summer time) under its [[ecu]] would fit"
    ]
    assert found.ecus[0].clock_skew_s == 3630


@pytest.mark.parametrize(
    ("hour", "zone"), [("09", '"Europe/London" under'), ("10", '"Etc/GMT-1" (or "Africa/Casablanca" if it')]
)
def test_what_a_clock_showed_in_winter_tells_which_zone_it_is_in(journal: Journal, hour: str, zone: str) -> None:
    for minute in (20, 25, 30, 35):
        for day, at, shown in (
            ("20251220", f"2025-12-20T09:{minute}:10Z", hour),
            ("20260621", f"2026-06-21T10:{minute}:30Z", "11"),
        ):
            journal.append([arrival(frame(f"{day}{shown}{minute}00", yc600()), ns(at))])
    (warning,) = [warning for warning in look(journal).warnings if "clock" in warning]
    assert f"1 h 0 min behind: timezone = {zone} " in warning


def test_records_that_came_while_this_machines_clock_was_ahead_hide_no_wrong_clock(journal: Journal) -> None:
    journal.append([arrival(frame("20260621111500", yc600()), ns("2028-06-21T10:15:30Z"))])
    for minute in (20, 25, 30, 35):
        journal.append([arrival(frame(f"2026062111{minute}00", yc600()), ns(f"2026-06-21T10:{minute}:30Z"))])
    found = look(journal)
    assert found.ecus[0].clock_skew_s == 3630
    assert any("its clock is 1 h 0 min behind" in warning for warning in found.warnings)


def test_a_record_without_a_date_has_no_time_to_show_and_disturbs_nothing(journal: Journal) -> None:
    store(journal, frame("20260230120000", yc600()))
    found = look(journal)
    assert (found.healthy, found.ecus[0].last_record, found.ecus[0].records) == (True, None, 1)
    assert (found.ecus[0].clock_skew_s, found.ecus[0].energy_today_wh) == (None, 0)


def odd(number: int, code: str = "09") -> str:
    """A block of a model that nobody knows yet."""
    return f"703000000001{code}{number:02}" + "2" * 79


def test_records_understood_in_part_are_one_warning_with_their_number_and_what_to_do(journal: Journal) -> None:
    journal.put_state(RUN_STATE, RUNNING)
    times = [f"2026062112{minute:02}00" for minute in range(10, 40, 5)]
    store(journal, *(frame(time, yc600(), broken=(odd(order),)) for order, time in enumerate(times)))
    found = look(journal)
    kind = "block not understood (type '09' with 95 characters): ..."
    assert found.understood_in_part == [Puzzle(kind, 6, 6)]
    told = f"6 records of the latest day understood in part, as number 6: {kind}"
    remedy = "report it with what `collector decode --record 6` prints"
    assert (found.healthy, found.warnings) == (True, [f"{told}; {remedy}"])
    store(journal, frame("20260621124000", yc600(), broken=(odd(1, "10"),)))
    assert look(journal).warnings == [f"{told} (`collector doctor` names 1 more such thing); {remedy}"]
    assert look_briefly(journal).warnings == []


def test_a_record_with_several_parts_of_one_kind_counts_once(journal: Journal) -> None:
    store(journal, frame("20260621124000", yc600(), broken=(odd(1), odd(2))))
    (puzzle,) = look(journal).understood_in_part
    assert puzzle.count == 1


def test_a_round_that_came_in_two_forms_counts_once(journal: Journal) -> None:
    raw = frame("20260621124000", yc600(), broken=(odd(1),))
    more = raw[:78] + b"1" + raw[79:]
    store(journal, more, raw)
    found = look(journal)
    assert [puzzle.count for puzzle in found.understood_in_part] == [1]
    assert [ecu.records for ecu in found.ecus] == [1]
    assert energy_today_wh(journal) == 4.036


def test_the_ends_of_older_records_are_counted_apart_and_nothing_is_asked_of_the_owner(journal: Journal) -> None:
    journal.put_state(RUN_STATE, RUNNING)
    for _ in range(69):
        journal.refuse(NOW, 8995, "192.0.2.1", STALE_TAIL, b"000000440313570012980406890000003345123103135700")
    found = look(journal)
    assert (found.healthy, found.warnings, found.refused, found.refused_peers, found.stale_tails) == (
        *(True, [], 0, []),
        69,
    )
    assert "turned away: 0, ends of older records: 69\n" in shown(found)
    assert "report" not in shown(found)
    assert "turned away: 0, ends of older records: 69" in "\n".join(_status_in_brief.lines(look_briefly(journal)))
    assert "older" not in shown(Status())


def test_what_was_turned_away_is_shown_with_its_sender_and_can_do_nothing_to_the_terminal(journal: Journal) -> None:
    journal.put_state(RUN_STATE, RUNNING)
    journal.refuse(NOW, 8995, "192.0.2.1", "not a message of a gateway", b"\x16\x03\x01\x1b]0;[red]\x07\x7f\x9b")
    found = look(journal)
    assert (found.healthy, found.warnings) == (True, [])
    text = shown(found)
    assert (
        "  from 192.0.2.1: 1, last 2026-06-21T10:42:00Z at port 8995, not a message of a gateway:"
        r" b'\x16\x03\x01\x1b]0;[red]\x07\x7f\x9b'" in text
    )
    assert "`collector decode --refused`" in text
    assert all(line.isprintable() for line in text.splitlines())
    assert found.as_json()["refused_peers"] == [
        {
            "peer": "192.0.2.1",
            "count": 1,
            "last_at": "2026-06-21T10:42:00Z",
            "port": 8995,
            "reason": "not a message of a gateway",
            "first_bytes": r"b'\x16\x03\x01\x1b]0;[red]\x07\x7f\x9b'",
        }
    ]


def test_brief_leaves_the_gateways_out(journal: Journal) -> None:
    store(journal, frame("20260621124000", yc600()))
    journal.put_state(RUN_STATE, RUNNING)
    found = look_briefly(journal)
    assert (found.healthy, found.pending, found.ecus) == (True, 1, [])


def shown(status: Status) -> str:
    out = io.StringIO()
    _status_in_full.show(status, Console(file=out, width=200, highlight=False, emoji=False))
    return out.getvalue()


def test_the_view_shows_health_problems_gateways_and_inverters(journal: Journal) -> None:
    store(journal, frame("20260621124000", yc600(), yc600("408000000002", ac_power_w=None)))
    text = shown(look(journal, inverter=({"id": UID, "name": "Attic"},), influxdb=INFLUXDB))
    assert text.startswith("healthy, never started\nrecords waiting for InfluxDB: 1, set aside: 0, turned away: 0\n")
    assert f"ECU {ECU} ({ECU}): reports, today 0.008 kWh AC, 1 records" in text
    assert f"Attic ({UID})" in text
    assert "45.1" in text


def test_records_wait_for_no_influxdb_that_is_not_there(journal: Journal) -> None:
    store(journal, frame("20260621124000", yc600()))
    assert "\nrecords kept until an InfluxDB is configured: 1, set aside: 0," in shown(look(journal))


def test_the_view_of_an_empty_or_broken_journal_is_no_error(journal: Journal, tmp_path: Path) -> None:
    assert shown(look(journal)).startswith("healthy")
    text = shown(gather(config(tmp_path / "none.db"), NOW))
    assert text.startswith("NOT healthy")
    assert "there is no journal" in text


ODD = "[red]a[/red][/][link=http://x]:sun: \\"


def test_names_are_no_markup(journal: Journal) -> None:
    store(journal, frame("20260621124000", yc600()))
    text = shown(look(journal, ecu=({"id": ECU, "name": ODD},), inverter=({"id": UID, "name": ODD},)))
    assert f"ECU {ODD} ({ECU})" in text
    assert f"{ODD} ({UID})" in text


def test_neither_are_ids_reasons_and_errors() -> None:
    ecu = EcuStatus("[/]000000000", ODD, "then", None, 0, 0.0, 0.0, None, [])
    text = shown(Status(problems=[f"{ODD}!"], warnings=[f"{ODD}!"], ecus=[ecu]))
    assert f"problem: {ODD}!\n" in text
    assert f"warning: {ODD}!\n" in text
    assert "([/]000000000)" in text


def test_a_site_without_a_configuration_is_looked_at_as_well(journal: Journal) -> None:
    store(journal, frame("20260621104000", yc600()))
    plain = Config.model_validate({"journal": {"path": journal.path}})
    assert gather(plain, NOW).ecus[0].last_record == "2026-06-21T10:40:00Z"


def test_the_view_counts_what_is_held_only_where_something_is() -> None:
    assert "set aside: 1, held: 3, turned away: 0" in shown(Status(set_aside=1, held=3))


def test_an_impossible_time_of_a_late_group_is_no_inverter_s_latest(journal: Journal) -> None:
    late = LateGroup("22600101000500", (yc600(),))
    store(journal, frame("20260621124000", yc600(), late=(late,)))
    found = look(journal)
    assert found.ecus[0].inverters[0].last_record == "2026-06-21T10:40:00Z"
    assert found.understood_in_part[0].reason.startswith("late group: its time is not believable")


def test_a_ledger_that_is_behind_is_told_where_somebody_needs_it(tmp_path: Path) -> None:
    books = Books(tmp_path / "journal.db")
    books.store(*(frame(time, yc600()) for day in range(21, 25) for time in day_times(date(2026, 6, day))))
    kept = books.config.model_copy(update={"ledger": Ledger(enabled=True)})
    (told,) = [warning for warning in gather(kept, RECEIVED).warnings if "ledger" in warning]
    assert told.startswith("the ledger of energies is behind by 676 records,")
    assert not any("ledger" in warning for warning in gather(books.config, RECEIVED).warnings)
    # It has read them, and is to compute their days.
    books.count(2)
    found = gather(kept, RECEIVED)
    (told,) = [warning for warning in found.warnings if "ledger" in warning]
    assert (found.ledger_days_waiting, "behind by 4 days," in told) == (4, True)
    books.count()
    assert not any("ledger" in warning for warning in gather(kept, RECEIVED).warnings)


def test_a_gateway_that_a_clock_in_the_future_told_of_does_not_report_for_ever(journal: Journal) -> None:
    journal.put_state(RUN_STATE, RUNNING)
    journal.append([arrival(frame("20260624120000", yc600()), NOW + 3 * 24 * 3600 * SECOND)])
    (ecu,) = look(journal).ecus
    assert ecu.state == "Silent"


def test_what_a_gateway_had_kept_for_days_is_no_sign_of_life(journal: Journal) -> None:
    journal.put_state(RUN_STATE, RUNNING)
    kept = [frame(f"20260618{hour:02}0000", yc600()) for hour in range(8, 20)]
    journal.append([arrival(raw, NOW - 60 * SECOND + order) for order, raw in enumerate(kept)])
    (ecu,) = look(journal).ecus
    assert ecu.state == "Quiet"
    # What comes live with a calendar that is days behind is one.
    for minutes in range(0, 30, 5):
        store(
            journal,
            frame(f"2026061812{minutes:02}00", qs1(), ecu=OTHER),
            received_at=NOW - (30 - minutes) * 60 * SECOND,
        )
    assert {ecu.id: ecu.state for ecu in look(journal, site=UTRECHT).ecus} == {ECU: "Silent", OTHER: "Reports"}


def test_what_was_analysed_is_told_and_a_panel_under_its_expectation_is_warned_of(journal: Journal) -> None:
    place = {"ecu": ECU, "inverter": UID, "channel": 1, "panel": "South 1", "array": "South"}
    under = {"under_since": "2026-06-01", "under_percent": 33.0, "under_wh": 410.0, "cause": "panel"}
    journal.put_state(ANALYSIS_STATE, {"last": "2026-06-20", "panels": [{**place, **under}]})
    journal.put_state(FAILURE_STATE, {"reason": "the disk is full"})
    status = look(journal)
    (line,) = status.analysis
    assert line.startswith("panel South 1 makes 33 % less than its neighbours say that it should, since 2026-06-01")
    for found in (status, look_briefly(journal)):
        assert line in found.warnings
        assert "the nightly analysis, which is tried again by itself: the disk is full" in found.warnings
    shown = io.StringIO()
    _status_in_full.show(status, Console(file=shown, width=400))
    assert f"up to 2026-06-20: {line}" in shown.getvalue()
