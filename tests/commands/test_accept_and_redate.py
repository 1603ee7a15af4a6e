"""`accept` and `redate` by hand, while nothing runs: what they say, refuse, and leave alone then."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from time import time_ns

import pytest

from collector.clock.stamps import UNBELIEVABLE
from collector.journal.reading import JournalReader
from collector.journal.state import RUN_STATE
from collector.journal.writing import Journal
from collector.newcomers import MOST_GATEWAYS_A_DAY, Welcome
from tests.program import Run, without_settings
from tests.samples import ECU, arrival, frame, ns, yc600

RECEIVED = ns("2026-06-21T10:45:00Z")
FLOOD = [f"2160{number:08d}" for number in range(MOST_GATEWAYS_A_DAY + 2)]
LATER = " as soon as the collector runs\n"


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Journal]:
    """In a folder with a configuration, where the commands look for them."""
    without_settings(monkeypatch)
    monkeypatch.chdir(tmp_path)
    Path("config.toml").write_text('[site]\ntimezone = "Europe/Amsterdam"\n')
    with contextlib.closing(Journal(Path("data/journal.db"), Welcome())) as opened:
        opened.open()
        yield opened


def flood(journal: Journal) -> None:
    journal.append([arrival(frame("20260621124000", yc600(), ecu=ecu), RECEIVED) for ecu in FLOOD])


def test_what_is_accepted_follows_as_soon_as_the_collector_runs(journal: Journal, run: Run) -> None:
    flood(journal)
    waiting = FLOOD[-2:]
    assert run("accept", "--all") == (
        0,
        f"accepted: 2 gateways ({waiting[0]}, {waiting[1]}); 2 records follow{LATER}",
        "",
    )
    assert run("accept", "--all") == (0, "nothing waits to be accepted\n", "")


def test_several_ids_are_accepted_one_after_the_other(journal: Journal, run: Run) -> None:
    flood(journal)
    journal.put_state(RUN_STATE, {"beat_at": time_ns()})
    code, out, _ = run("accept", *FLOOD[-2:])
    assert code == 0
    assert out.splitlines() == [
        f"accepted: gateway {ecu} with all inverters that it has reported so far; 1 record follows"
        for ecu in FLOOD[-2:]
    ]


def test_what_can_be_accepted_is_told_to_whoever_names_something_else(journal: Journal, run: Run) -> None:
    flood(journal)
    code, out, err = run("accept", "none")
    assert (code, out) == (1, "")
    assert err == f"collector: nothing of none waits to be accepted; what waits: 2 gateways ({', '.join(FLOOD[-2:])})\n"
    run("accept", "--all")
    assert run("accept", "none") == (1, "", "collector: nothing of none waits to be accepted\n")
    for usage, said in ((("accept",), "say what"), (("accept", "--all", FLOOD[0]), "--all goes with no id")):
        code, _, err = run(*usage)
        assert code == 2
        assert said in err


def test_neither_makes_a_journal_where_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    without_settings(monkeypatch)
    monkeypatch.chdir(tmp_path)
    for command in (("accept", "--all"), ("redate", "--ecu", ECU, "--received")):
        code, _, err = run(*command)
        assert code == 1
        assert "there is no journal" in err
    assert list(tmp_path.iterdir()) == []


def misdated(journal: Journal, *times: str, ecu: str = ECU) -> None:
    for order, time in enumerate(times):
        journal.append([arrival(frame(time, yc600(wh=(order, 1.0)), ecu=ecu), RECEIVED + order)])
        with JournalReader(journal.path) as reader:
            identity = reader.last_id()
        journal.set_aside(identity, f"{UNBELIEVABLE}{time!r}")


def dates(journal: Journal) -> list[int | None]:
    with JournalReader(journal.path) as reader:
        return [record.dated for number in range(1, reader.last_id() + 1) if (record := reader.record(number))]


def test_several_records_of_one_gateway_keep_their_distance_from_the_earliest(journal: Journal, run: Run) -> None:
    misdated(journal, "20000101002000", "20000101000500", "20000101001000")
    assert run("redate", "--ecu", ECU, "--at", "2026-03-29T12:00") == (
        0,
        "3 records go to InfluxDB with the new time\n",
        "",
    )
    assert dates(journal) == [ns(f"2026-03-29T10:{minute:02d}:00Z") for minute in (15, 0, 5)]


def test_each_gets_the_time_of_its_receipt(journal: Journal, run: Run) -> None:
    misdated(journal, "20000101000500", "20000101000500")
    assert run("redate", "--record", "2", "--received") == (0, "1 record goes to InfluxDB with the new time\n", "")
    assert run("redate", "--ecu", ECU, "--received")[0] == 0
    assert dates(journal) == [RECEIVED, RECEIVED + 1]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--record", "4", "--received"), "not set aside because of its time: 4; only such records"),
        (("--record", "1", "--record", "9", "--received"), "not set aside because of its time: 9; only such records"),
        (("--ecu", "216000999998", "--received"), "no record of gateway 216000999998 is set aside because of its time"),
        (("--record", "1", "--record", "3", "--at", "2026-03-29T12:00"), "these records are of several gateways"),
        (("--ecu", ECU, "--at", "2026-03-29T12:00"), "one and the same time, and replace each other"),
        (("--record", "1", "--at", "1999-03-29T12:00"), "before 2010 or more than two days ahead of its receipt"),
        (("--record", "1", "--at", "2026-06-23T12:46"), "before 2010 or more than two days ahead of its receipt"),
    ],
)
def test_what_would_lose_a_record_or_is_no_better_is_refused_and_changes_nothing(
    journal: Journal, run: Run, arguments: tuple[str, ...], told: str
) -> None:
    misdated(journal, "20000101000500", "20000101000500")
    misdated(journal, "20000101000500", ecu="216000999999")
    journal.append([arrival(frame("20260621124000", yc600()), RECEIVED)])
    code, out, err = run("redate", *arguments)
    assert (code, out) == (1, "")
    assert told in err
    assert dates(journal) == [None] * 4


@pytest.mark.parametrize(
    "arguments",
    [
        ("--ecu", ECU),
        ("--received",),
        ("--ecu", ECU, "--received", "--at", "2026-03-29T12:00"),
        ("--ecu", ECU, "--record", "1", "--received"),
        ("--ecu", ECU, "--at", "noon"),
        ("--ecu", ECU, "--at", "2026-03-29T12:00Z"),
        ("--record", "0", "--received"),
        ("--record", "9223372036854775808", "--received"),
    ],
)
@pytest.mark.usefixtures("journal")
def test_what_says_too_little_or_too_much_is_a_usage_error(run: Run, arguments: tuple[str, ...]) -> None:
    assert run("redate", *arguments)[0] == 2
