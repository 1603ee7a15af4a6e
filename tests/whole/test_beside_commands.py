"""What owners change while records are on their way is not undone by what comes after it."""

from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from datetime import date, timedelta

import pytest
import trio

from collector import newcomers
from collector.config.names import Names
from collector.delivery.writer import Writer
from collector.errors import SinkRejected
from collector.journal.accepting import accept
from collector.journal.job_writing import Jobs
from collector.journal.jobs import numbered, open_jobs
from collector.journal.letting_in import Devices
from collector.journal.reading import JournalReader
from collector.journal.threaded import ThreadedJournal
from collector.journal.writing import Journal
from collector.newcomers import Welcome
from collector.replay import stepping as replay_module
from collector.replay._spans import next_span
from tests.replay.test_replay import DAY, RECEIVED, Killed, Site, panels, site, small_steps
from tests.samples import frame, ns, yc600

__all__ = ["site", "small_steps"]

SECOND = "408000000009"
AT = ns("2026-06-21T10:05:00Z")


def deliver(site: Site, step: Callable[[], object] = lambda: None) -> None:
    """Deliver and replay as a service does that lets in one inverter of a gateway."""
    site.influx.step = step
    trio.run(_deliver, site)


async def _deliver(site: Site) -> None:
    journal = ThreadedJournal(Journal(site.path), trio.CapacityLimiter(1))
    writer = Writer(journal, site.influx, Names(site.config), welcome=Welcome(), now_ns=lambda: RECEIVED)
    try:
        while await writer._work_once():
            pass
    finally:
        await journal.close()


@pytest.fixture
def crowded(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Its second record has an inverter that waits."""
    monkeypatch.setattr(newcomers, "MOST_INVERTERS_OF_A_GATEWAY", 1)
    site.store(frame("20260621120000", yc600()), frame("20260621120500", yc600(), yc600(SECOND)))
    return site


def inverters_at(site: Site, at: int) -> set[str]:
    return {
        tags["inverter"] for series, time in site.influx.points if time == at and "inverter" in (tags := dict(series))
    }


def held(site: Site) -> list[int]:
    with JournalReader(site.path) as reader:
        return [row[0] for row in reader.rows("select id from record where held is not null")]


def test_an_inverter_that_is_accepted_while_a_record_of_it_is_on_its_way_is_in_that_record(crowded: Site) -> None:
    deliver(crowded)
    assert held(crowded) == [2]
    crowded.store(frame("20260621121000", yc600(), yc600(SECOND)))
    accepted: list[object] = []

    def once() -> None:
        if not accepted:
            accepted.append(accept(crowded.path, SECOND))

    deliver(crowded, once)
    assert accepted
    assert held(crowded) == []
    assert inverters_at(crowded, AT + 300 * 10**9) == {"408000000001", SECOND}


def test_of_a_record_that_is_understood_now_only_what_waits_is_left_out(crowded: Site) -> None:
    with closing(Journal(crowded.path)) as journal:
        journal.set_aside(2, "an earlier decoder did not know it")
    deliver(crowded)
    crowded.ask()
    deliver(crowded)
    assert inverters_at(crowded, AT) == {"408000000001"}
    accept(crowded.path, SECOND)
    deliver(crowded)
    assert inverters_at(crowded, AT) == {"408000000001", SECOND}


def test_a_record_with_a_time_set_by_hand_stays_in_influxdb_when_it_was_purged(site: Site) -> None:
    site.store_day(DAY, received_at=ns("2026-06-21T20:00:00Z"))
    site.store(frame("20000101001000", yc600()), received_at=ns("2026-06-22T10:00:00Z"))
    site.work()
    with closing(Journal(site.path)) as journal:
        Devices(journal).date([(16, ns("2026-06-22T10:00:00Z"))])
    site.work()
    site.store_day(DAY + timedelta(days=30), received_at=ns("2026-07-21T20:00:00Z"))
    site.work()
    before = dict(site.influx.points)
    with closing(Journal(site.path)) as journal:
        journal.purge(20, ns("2026-07-21T20:00:00Z"))
    with JournalReader(site.path) as reader:
        assert reader.total_count() == 15
    site.replay()
    assert site.influx.points.keys() >= before.keys()


@pytest.mark.usefixtures("small_steps")
def test_a_span_that_was_cut_off_waits_also_when_its_replay_begins_anew_and_is_then_refused(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for days in (0, 100):
        site.store_day(DAY + timedelta(days=days))
    site.work()
    site.names = panels("first", "first too")
    site.ask()

    def in_the_older_span() -> None:
        with JournalReader(site.path) as reader:
            (job,) = open_jobs(reader)
        if (job.phase, job.span_first) == ("write", ""):
            raise Killed

    with suppress(Killed, BaseExceptionGroup):
        site.work(in_the_older_span)
    site.names = panels("second", "second too")
    with closing(Journal(site.path)) as journal, JournalReader(site.path) as reader:
        (job,) = open_jobs(reader)
        Jobs(journal).begin(job.id, Names(site.config).fingerprint())
    site.assert_kept()

    async def refuse(*_: object) -> None:
        raise SinkRejected("no deletion here")

    monkeypatch.setattr(site.influx, "delete", refuse)
    site.work()
    site.assert_kept()


@pytest.mark.usefixtures("small_steps")
def test_a_fault_while_the_next_batch_is_read_does_not_cut_off_the_one_that_is_sent(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_module, "STEP_S", 10.0)
    for days in (0, 1):
        site.store_day(DAY + timedelta(days=days))
    site.work()
    site.ask()
    calls: list[object] = []

    def faulty(reader: JournalReader, ids: list[int]) -> object:
        calls.append(ids)
        if len(calls) > 1:
            raise RuntimeError("a fault of ours")
        return numbered(reader, ids)

    monkeypatch.setattr(replay_module, "numbered", faulty)
    with pytest.raises(RuntimeError, match="a fault of ours"):
        site.work()
    with JournalReader(site.path) as reader:
        assert open_jobs(reader)[0].cursor > 0


def test_one_time_that_is_no_date_does_not_make_one_span_of_all_years_nor_a_far_bound_many_empty_ones(
    site: Site,
) -> None:
    site.store(frame("20100000000000", yc600()), frame("20260621120000", yc600()))
    site.ask()
    site.ask(first=date(1970, 1, 1), last=date(2261, 1, 1))
    with JournalReader(site.path) as reader:
        everything, bounded = open_jobs(reader)
        (gateway,) = reader.gateways()
        spans = [next_span(job, gateway, reader.first_time(job.ecu) or "") for job in (everything, bounded)]
        assert spans == [("2026-03-30", ""), ("2026-03-30", "2261-01-02")]
        oldest = replace(bounded, span_first="2010-02-01")
        assert next_span(oldest, gateway, "") == ("1970-01-01", "2010-02-01")
