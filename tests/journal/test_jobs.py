"""Jobs and marks in the journal: asked for once, never forgotten, and nothing that they need is purged."""

import dataclasses
import json
from datetime import date
from pathlib import Path

import pytest

from collector.journal.job_writing import Jobs
from collector.journal.jobs import (
    EVERY_ECU,
    Job,
    Phase,
    Progress,
    Request,
    days_left,
    in_span,
    jobs,
    numbered,
    oldest_mark,
    open_jobs,
    span_ids,
    stale_days,
)
from collector.journal.letting_in import Devices
from collector.journal.reading import JournalReader
from collector.journal.state import NAMES_STATE
from collector.journal.writing import Journal
from tests.journal.helpers import OTHER_ECU, RECEIVED, arrival, kept_ids, rows
from tests.journal.helpers import numbered as numbered_record
from tests.protocol.helpers import ECU, POLL, TIME, YC600, control, record
from tests.samples import purge_before

DAY = date(2026, 6, 21)


@pytest.fixture
def work(journal: Journal) -> Jobs:
    journal.open()
    return Jobs(journal)


def only(reader: JournalReader) -> Job:
    (job,) = open_jobs(reader)
    return job


def span(first: str = "", end: str = "", cursor: int = 0, ecu: str = ECU) -> Job:
    """A job in the middle of a span."""
    values = {column.name: "" if column.type is str else 0 for column in dataclasses.fields(Job)}
    return Job(**{**values, "ecu": ecu, "phase": "write", "span_first": first, "span_end": end, "cursor": cursor})  # type: ignore[arg-type]


# Asking


def test_a_job_that_is_asked_for_again_is_the_same_until_it_is_done(work: Jobs, reader: JournalReader) -> None:
    asked = [Request("replay", ECU), Request("replay", ECU, DAY), Request("replay", OTHER_ECU), Request("rollup", ECU)]
    numbers = work.ask(asked, RECEIVED)
    assert len(set(numbers)) == 4
    assert work.ask(asked, RECEIVED + 1) == numbers
    assert [job.phase for job in open_jobs(reader)] == ["next", "next", "next", "days"]
    work.give_up(numbers[0], "a reason", RECEIVED)
    (again,) = work.ask(asked[:1], RECEIVED)
    assert again not in numbers
    assert [job.ended for job in jobs(reader, [numbers[0], again])] == [1, 0]


def test_a_replay_of_everything_knows_how_many_records_there_are(
    journal: Journal, work: Jobs, reader: JournalReader
) -> None:
    journal.append([numbered_record(1), numbered_record(2), arrival(POLL)])
    work.ask([Request("replay", ECU), Request("replay", ECU, DAY)], RECEIVED)
    assert [job.total for job in open_jobs(reader)] == [2, 0]


def test_finished_jobs_are_kept_for_whoever_asked_but_not_for_ever(work: Jobs, reader: JournalReader) -> None:
    first, second = work.ask([Request("rollup", ECU), Request("rollup", OTHER_ECU)], RECEIVED)
    work.mark(first, [], RECEIVED)
    for number in range(1000):
        (last,) = work.ask([Request("rollup", f"{number:012d}")], RECEIVED)
        work.mark(last, [], RECEIVED)
    work.ask([Request("rollup", ECU)], RECEIVED)
    assert [job.id for job in jobs(reader, [first, second])] == [second], "the second one is not done"


# Spans


def test_a_span_has_what_may_have_points_in_it_whatever_its_number(journal: Journal, reader: JournalReader) -> None:
    late = record(time="20260701120000", tail="ADD20260601120000001UND" + YC600 + "UNDEND")
    no_date = control("A123", "000120269921124000END4080000000010700000END", version="15")
    frames: list[bytes | str] = [
        record(YC600, time="20260620120000"),
        record(YC600, time="20260621120000"),
        record(YC600, time="20260621240500"),
        record(YC600, time="20260622120000"),
        late,
        control("A129", f"1{'0' * 14}"),
        no_date,
        POLL,
        record(YC600, time="20260621120000", ecu=OTHER_ECU),
    ]
    journal.append([arrival(raw) for raw in frames])
    journal.mark_delivered(range(1, len(frames)), RECEIVED)
    here, elsewhere = (RECEIVED, RECEIVED + 1), (0, 1)
    assert span_ids(reader, span("2026-06-21", "2026-06-22"), elsewhere, 99) == [2, 3, 5]
    assert span_ids(reader, span("2026-06-22", "2026-06-23"), elsewhere, 99) == [3, 4, 5], (
        "an hour 24 is the next day's"
    )
    assert span_ids(reader, span("2026-05-01", "2026-06-01"), here, 99) == [5, 6, 7]
    assert span_ids(reader, span("2026-06-21", "2026-06-22", cursor=2), elsewhere, 99) == [3, 5]
    assert span_ids(reader, span(), elsewhere, 2) == [1, 2]
    assert in_span(reader, span("2026-06-21", "2026-06-22", cursor=2)) == 1
    assert in_span(reader, dataclasses.replace(span("2026-06-21", "2026-06-22"), phase="next")) == 0


def test_a_span_leaves_to_the_delivery_what_waits_for_it(journal: Journal, reader: JournalReader) -> None:
    journal.append([numbered_record(number) for number in range(1, 5)])
    journal.mark_delivered([1], RECEIVED)
    journal.set_aside(3, "a reason")
    assert span_ids(reader, span(), (0, 0), 99) == [1, 3]
    assert [(kept.id, aside) for kept, aside in numbered(reader, [3, 1, 99])] == [(1, False), (3, True)]


def test_finding_the_next_records_reads_no_more_of_a_long_journal(journal: Journal, reader: JournalReader) -> None:
    """Each part of the question has an index that fits it, and none reads all of a gateway's records."""
    asked: list[str] = []
    vars(reader)["_db"].set_trace_callback(asked.append)
    span_ids(reader, span("2026-06-21", "2026-06-22"), (0, 1), 99)
    vars(reader)["_db"].set_trace_callback(None)
    plan = [str(row[3]) for row in rows(journal.path, f"explain query plan {asked[-1]}")]
    searches = {step.partition(" (")[0].rpartition(" ")[2]: step for step in plan if "SEARCH" in step}
    assert set(searches) == {"record_key", "record_late", "record_report"}
    assert "time>? AND time<?" in searches["record_key"]
    assert "received_at>? AND received_at<?" in searches["record_report"]
    assert not [step for step in plan if step.startswith("SCAN record")]


def test_a_job_begun_with_other_names_begins_again(work: Jobs, reader: JournalReader) -> None:
    (job,) = work.ask([Request("replay", ECU)], RECEIVED)
    work.begin(job, "names")
    work.begin_span(job, "2026-06-01", "")
    work.span_deleted(job)
    work.advance(job, Progress(cursor=5, records=4, points=16))
    before = only(reader)
    assert (before.phase, before.span_first, before.cursor, before.records) == ("write", "2026-06-01", 5, 4)
    work.begin(job, "other names")
    after = only(reader)
    assert (after.phase, after.span_first, after.cursor, after.records, after.names) == (
        "next",
        "",
        0,
        0,
        "other names",
    )


def test_what_had_been_set_aside_and_can_be_read_now_waits_again(
    journal: Journal, work: Jobs, reader: JournalReader, path: Path
) -> None:
    journal.append([numbered_record(number) for number in (1, 2, 3)])
    journal.mark_delivered([1, 3], RECEIVED)
    journal.set_aside(2, "a reason")
    (job,) = work.ask([Request("replay", ECU)], RECEIVED)
    work.advance(job, Progress(cursor=3, records=3, recovered=[2], aside=[(3, "worse now")]))
    assert rows(path, "select id, delivered_at, set_aside from record order by id") == [
        (1, RECEIVED, None),
        (2, None, None),
        (3, None, "worse now"),
    ]
    assert only(reader).recovered == 1


# Days


def test_a_job_ends_when_no_day_of_it_is_left_and_counts_what_became_of_them(
    journal: Journal, work: Jobs, reader: JournalReader
) -> None:
    (job,) = work.ask([Request("rollup", EVERY_ECU)], RECEIVED)
    journal.mark_delivered((), RECEIVED - 9, days=[(ECU, "2026-06-21")])
    work.mark(job, [(ECU, f"2026-06-{day}") for day in (18, 19, 20, 21)], RECEIVED)
    marks = {mark.day[-2:]: mark for mark in stale_days(reader)}
    assert {mark.job for mark in marks.values()} == {job}
    assert (marks["21"].first_marked_at, oldest_mark(reader)) == (RECEIVED - 9, RECEIVED - 9)
    # Delivered meanwhile: the day has another mark, and is still one of the job's, to be replaced.
    journal.mark_delivered((), RECEIVED + 1, days=[(ECU, "2026-06-21")])
    work.clear_days([marks["21"]], {marks["21"]}, (), RECEIVED)
    assert days_left(reader, [job]) == 4
    work.clear_days([marks["18"], marks["19"]], {marks["18"]}, {marks["19"]}, RECEIVED)
    work.refuse_day(marks["20"], "a reason", RECEIVED)
    (renewed,) = (mark for mark in stale_days(reader) if mark.day == "2026-06-21")
    assert (renewed.job, renewed.replaces) == (job, 1)
    assert not only(reader).ended
    work.clear_days([renewed], (), (), RECEIVED)
    assert open_jobs(reader) == []
    (ended,) = jobs(reader, [job])
    assert (ended.days, ended.kept, ended.refused, ended.problem) == (1, 1, 1, "a reason")
    # It waits on, but nobody for it.
    (left,) = stale_days(reader)
    assert (left.day, left.job, left.replaces) == ("2026-06-20", None, 1)


def test_the_days_of_a_span_that_is_being_written_again_are_not_computed_meanwhile(
    journal: Journal, work: Jobs, reader: JournalReader
) -> None:
    days = ["2026-06-20", "2026-06-21", "2026-06-22"]
    journal.mark_delivered((), RECEIVED, days=[(ecu, day) for ecu in (ECU, OTHER_ECU) for day in days])

    def computed() -> list[str]:
        return [mark.day[-2:] for mark in stale_days(reader) if mark.ecu == ECU]

    (job,) = work.ask([Request("replay", ECU)], RECEIVED)
    assert computed() == ["22", "21", "20"]
    work.begin_span(job, "2026-06-21", "2026-06-22")
    assert computed() == ["22", "20"]
    work.span_deleted(job)
    assert computed() == ["22", "20"]
    work.begin_span(job, "", "")
    assert computed() == []
    assert len(stale_days(reader)) == 3, "another gateway's go on"
    work.end_span(job, is_last=True)
    assert computed() == ["22", "21", "20"]
    assert only(reader).phase == Phase.DAYS


def test_the_names_are_settled_by_the_last_job_of_everything(
    journal: Journal, work: Jobs, reader: JournalReader
) -> None:
    journal.put_state(NAMES_STATE, {"fingerprint": "old"})
    part, one, other = work.ask(
        [
            Request("replay", ECU, DAY),
            Request("replay", ECU, everything=True),
            Request("replay", OTHER_ECU, everything=True),
        ],
        RECEIVED,
    )
    for job in (part, one, other):
        assert reader.state(NAMES_STATE) == {"fingerprint": "old"}
        work.begin(job, "new")
        work.end_span(job, is_last=True)
        work.mark(job, [], RECEIVED)
    assert reader.state(NAMES_STATE) == {"fingerprint": "new"}


def test_a_job_that_was_given_up_settles_no_names(work: Jobs, reader: JournalReader) -> None:
    one, other = work.ask(
        [Request("replay", ECU, everything=True), Request("replay", OTHER_ECU, everything=True)], RECEIVED
    )
    work.begin(one, "new")
    work.give_up(one, "InfluxDB refused it", RECEIVED)
    work.begin(other, "new")
    work.end_span(other, is_last=True)
    work.mark(other, [], RECEIVED)
    assert reader.state(NAMES_STATE) == {}
    assert [job.problem for job in jobs(reader, [one])] == ["InfluxDB refused it"]


def test_names_that_were_changed_between_two_jobs_are_not_settled(work: Jobs, reader: JournalReader) -> None:
    wanted = [Request("replay", ECU, everything=True), Request("replay", OTHER_ECU, everything=True)]
    for job, names in zip(work.ask(wanted, RECEIVED), ("new", "newer"), strict=True):
        work.begin(job, names)
        work.end_span(job, is_last=True)
        work.mark(job, [], RECEIVED)
    assert reader.state(NAMES_STATE) == {}


def test_a_replay_of_one_gateway_counts_for_one_of_everything_that_is_asked_for_meanwhile(
    work: Jobs, reader: JournalReader
) -> None:
    (job,) = work.ask([Request("replay", ECU)], RECEIVED)
    assert work.ask([Request("replay", ECU, everything=True)], RECEIVED + 1) == [job]
    work.begin(job, "new")
    work.end_span(job, is_last=True)
    work.mark(job, [], RECEIVED)
    assert reader.state(NAMES_STATE) == {"fingerprint": "new"}


def test_days_that_were_looked_for_before_a_job_was_begun_anew_do_not_end_it(work: Jobs, reader: JournalReader) -> None:
    (job,) = work.ask([Request("replay", ECU, everything=True)], RECEIVED)
    work.begin(job, "old")
    work.end_span(job, is_last=True)
    work.begin(job, "new")
    work.mark(job, [(ECU, "2026-06-21")], RECEIVED)
    assert only(reader).phase == Phase.NEXT
    assert stale_days(reader) == []


def test_a_record_that_was_given_another_time_while_its_batch_was_written_still_waits(
    journal: Journal, work: Jobs, reader: JournalReader
) -> None:
    journal.append([numbered_record(1)])
    journal.set_aside(1, "its time can't be right")
    (job,) = work.ask([Request("replay", ECU)], RECEIVED)
    Devices(journal).date([(1, RECEIVED)])
    work.advance(job, Progress(1, aside=[(1, "its time can't be right")]))
    assert reader.pending_count() == 1


# The purge


def test_nothing_is_purged_of_a_gateway_with_a_replay_under_way(
    journal: Journal, work: Jobs, reader: JournalReader, path: Path
) -> None:
    journal.append([numbered_record(1), arrival(record(ecu=OTHER_ECU, time=TIME))])
    journal.mark_delivered([1, 2], RECEIVED)
    replay, _ = work.ask([Request("replay", ECU), Request("rollup", OTHER_ECU)], RECEIVED)
    purge_before(journal, 2 * RECEIVED)
    assert rows(path, "select id from record") == [(1,)], "roll-ups need no records"
    work.end_span(replay, is_last=True)
    work.mark(replay, [], RECEIVED)
    purge_before(journal, 2 * RECEIVED)
    assert kept_ids(reader) == []


def test_state_of_names_is_json(work: Jobs, path: Path) -> None:
    (job,) = work.ask([Request("replay", ECU, everything=True)], RECEIVED)
    work.begin(job, 'a "name"')
    work.end_span(job, is_last=True)
    work.mark(job, [], RECEIVED)
    ((value,),) = rows(path, "select value from state")
    assert json.loads(str(value)) == {"fingerprint": 'a "name"'}
