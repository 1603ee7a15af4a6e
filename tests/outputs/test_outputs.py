"""What all outputs have in common: how their health gets around, and what is read for them."""

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from collector.clock.stamps import NS, to_second
from collector.commands._status_in_brief import lines
from collector.config.names import Names
from collector.doctor._outputs import check
from collector.doctor.findings import Level
from collector.journal.beat import Beat
from collector.journal.reading import JournalReader
from collector.journal.state import OutputHealth, RunState
from collector.journal.threaded import ThreadedJournal
from collector.journal.writing import Journal
from collector.outputs.outputs import Outputs, figures, report_points
from collector.outputs.records import Records
from collector.points.lines import LineWriter
from collector.service._heartbeat import Heartbeat
from collector.service._metrics import exposition
from collector.service.supervision import Supervisor
from collector.status.health import Status, look
from tests.doctor.contexts import context
from tests.samples import ECU, arrival, config, frame, ns, qs1, yc600
from tests.service.test_metrics import FIGURES

NOW = 1_800_000_000 * NS
WELL = OutputHealth(name="mqtt", connected=True, last_sent=NOW - 90 * NS)
ILL = OutputHealth(name="pvoutput", waiting=7, last_error="it is full", remedy="empty it")


@given(st.builds(OutputHealth, name=st.text(), connected=st.booleans(), waiting=st.integers(0), last_error=st.text()))
def test_what_an_output_says_is_read_as_it_was_written(health: OutputHealth) -> None:
    state = RunState(outputs=(health, WELL))
    assert RunState.read(json.loads(json.dumps(state.values())), 0).outputs == (health, WELL)


@pytest.mark.parametrize("values", [None, {}, {"name": 5}, [1], {"name": "mqtt", "connected": "yes", "more": 1}])
def test_what_is_none_of_it_is_passed_over(values: object) -> None:
    assert OutputHealth.read(values) in (None, OutputHealth(name="mqtt"))


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    journal = Journal(tmp_path / "journal.db")
    journal.open()
    return journal


async def test_when_something_was_sent_is_told_without_a_write(journal: Journal) -> None:
    said = [WELL]
    threaded = ThreadedJournal(journal, trio.CapacityLimiter(1))
    heartbeat = Heartbeat(threaded, Beat(journal.path), "", Supervisor(), None, lambda: tuple(said))

    async def told() -> tuple[RunState, object]:
        await heartbeat._tell(replace(heartbeat._always, outputs=tuple(said)))
        with JournalReader(journal.path) as reader:
            return reader.run_state(), reader.rows("select value from state where key = 'run'")

    first, written = await told()
    assert first.outputs == (WELL,)
    said[0] = replace(WELL, last_sent=NOW + 1)
    second, written_then = await told()
    assert second.outputs == (replace(WELL, last_sent=NOW + 1),)
    assert written_then == written
    said[0] = replace(WELL, connected=False)
    third, written_at_last = await told()
    assert third.outputs == (replace(WELL, connected=False),)
    assert written_at_last != written
    heartbeat.close()
    await threaded.close()


async def test_status_and_doctor_tell_of_each_output_of_a_service_that_runs(journal: Journal) -> None:
    now = time.time_ns()
    beat = Beat(journal.path)
    beat.give(now)
    journal.put_state("run", RunState(started_at=now, version="1", outputs=(WELL, ILL)).values())
    status = Status(has_influxdb=False)
    with JournalReader(journal.path) as reader:
        look(status, reader, now)
    shown = "\n".join(lines(status))
    assert (
        f"outputs: mqtt connected, last sent {to_second(WELL.last_sent)}, waiting: 0; pvoutput NOT connected" in shown
    )
    assert "warning: pvoutput: it is full; empty it" in shown
    # What an output can't send keeps nobody from an answer.
    assert not [problem for problem in status.problems if "pvoutput" in problem]
    found = await check(context(journal.path, now=now))
    assert [(one.level, one.remedy) for one in found] == [(Level.OK, ""), (Level.WARNING, "empty it")]
    beat.end()
    assert await check(context(journal.path, now=now)) == []
    journal.close()


def test_metrics_and_points_have_a_label_for_each_output() -> None:
    text = exposition(FIGURES, (WELL, ILL)).decode()
    assert 'collector_output_connected{output="mqtt"} 1.0' in text
    assert 'collector_output_waiting{output="pvoutput"} 7.0' in text
    assert 'collector_output_last_sent_age_seconds{output="pvoutput"} NaN' in text
    assert "collector_output" not in exposition(FIGURES).decode()
    write = LineWriter()
    written = [write.line(point) for point in report_points("Home", (WELL, ILL), NOW)]
    assert written == [
        "output,instance=Home,output=mqtt connected=1i,waiting=0i,refused=0i,commands_refused=0i,last_sent_age_s=90.0,"
        f'last_error="",remedy="" {NOW}',
        "output,instance=Home,output=pvoutput connected=0i,waiting=7i,refused=0i,commands_refused=0i,"
        f'last_error="it is full",remedy="empty it" {NOW}',
    ]
    assert figures(WELL, NOW).last_sent_age_s == 90


def test_without_a_section_there_is_no_output(journal: Journal) -> None:
    settings = config(journal.path)
    outputs = Outputs(settings, Names(settings), journal, trio.CapacityLimiter(1))
    assert (outputs.tasks(), outputs.health()) == ({}, ())
    outputs.wake()


AT = ns("2026-06-21T10:40:00Z")


def test_what_came_live_is_read_on_behind_a_cursor_and_late_data_are_passed_over(journal: Journal) -> None:
    records = Records(Names(config(journal.path)))
    with JournalReader(journal.path) as reader:
        begin = records.end(reader)
        for time_, raw in (
            ("20260621124000", yc600()),
            ("20260621114000", yc600()),
            ("20260621124500", qs1()),
        ):
            journal.append([arrival(frame(time_, raw), AT + 600 * NS)])
        step = records.behind(begin)(reader)
        assert [record.time for record, _ in step.taken] == ["20260621124000", "20260621124500"]
        assert not step.has_more
        assert records.behind(step.cursor)(reader).taken == []
        # In a journal that took another one's place, all is new.
        assert len(records.behind(((0, 0), 99))(reader).taken) == 2
    journal.close()


def test_an_inverter_that_waits_to_be_accepted_is_left_out(journal: Journal) -> None:
    records = Records(Names(config(journal.path)))
    journal.append([arrival(frame("20260621124000", yc600(), qs1()), AT + 60 * NS)])
    journal.mark_delivered([1], AT, (), (), [(ECU, "inverter", qs1().uid, 1)])
    with JournalReader(journal.path) as reader:
        ((_, decoded),) = records.behind((reader.file, 0))(reader).taken
    seen = {point.tags[1] for point in decoded.points if point.measurement == "inverter"}
    assert seen == {yc600().uid}
    journal.close()
