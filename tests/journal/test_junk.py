"""What gets no answer is bounded in bytes, whatever comes and however much of it; what was acknowledged is not touched.

The junk here is random, so that packing does not make it small.
"""

import contextlib
import random
import sqlite3
from base64 import b85encode
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.journal._junk import BUDGET_BYTES, REFUSED_BYTES, ROW_BYTES
from collector.journal.reading import JournalReader, SetAside
from collector.journal.writing import Journal
from collector.protocol.kinds import Kind
from collector.record import Arrival
from tests.journal.helpers import RECEIVED, Spy, arrival, numbered, rows
from tests.protocol.helpers import ECU, YC600, control, record, with_length
from tests.samples import purge_before

UNANSWERED = "from record where kind in ('unknown', 'refused')"
NO_TIME = "no time stamp of a record where one should be"


def noise(number: int, length: int) -> str:
    return b85encode(random.Random(number).randbytes(length)).decode()[:length]  # noqa: S311 (junk, not secrets)


def junk(number: int, length: int = 100_000) -> Arrival:
    """Of no kind: nothing is read in it."""
    return arrival(f"APS99000000002AAA1{noise(number, length)}END", RECEIVED + number)


def vendor_command(number: int, length: int = 20) -> Arrival:
    """Each number is a command of its own, and so a kind of its own."""
    return arrival(control(f"A{200 + number}", f"{noise(number, length)}END"), RECEIVED + number)


def unanswered(path: Path) -> list[int]:
    return [row[0] for row in rows(path, f"select id {UNANSWERED} order by id")]  # type: ignore[misc]


def held_bytes(path: Path, table: str = UNANSWERED) -> int:
    ((size,),) = rows(path, f"select coalesce(sum(length(raw) + {ROW_BYTES}), 0) {table}")
    assert isinstance(size, int)
    return size


def file_bytes(path: Path) -> int:
    ((pages, page_bytes),) = rows(path, "select * from pragma_page_count, pragma_page_size")
    assert isinstance(pages, int)
    assert isinstance(page_bytes, int)
    return pages * page_bytes


def test_the_newest_stay_and_the_file_does_not_grow_beyond_the_budget(journal: Journal, path: Path) -> None:
    journal.open()
    before = file_bytes(path)
    for number in range(60):
        journal.append([junk(number)])
    assert held_bytes(path) <= BUDGET_BYTES
    kept = unanswered(path)
    assert kept == [1, *range(62 - len(kept), 61)]
    assert len(kept) > 5
    assert file_bytes(path) - before < 2 * BUDGET_BYTES


def test_of_short_ones_there_is_room_for_more_than_a_thousand(journal: Journal, path: Path) -> None:
    for batch in range(60):
        journal.append([junk(100 * batch + number, 20) for number in range(100)])
    assert BUDGET_BYTES // 2 < held_bytes(path) <= BUDGET_BYTES
    assert len(unanswered(path)) > 1000


def test_what_gets_no_answer_is_packed_from_the_start_and_comes_back_byte_for_byte(
    journal: Journal, reader: JournalReader, path: Path
) -> None:
    arrivals = [junk(1, 1000), vendor_command(2)]
    journal.append(arrivals)
    assert rows(path, "select kind, packed from record") == [("unknown", 1), ("refused", 1)]
    for number, sent in enumerate(arrivals, 1):
        kept = reader.record(number)
        assert kept is not None
        assert kept.raw == sent.message.raw


def test_the_first_of_each_kind_stays(journal: Journal, reader: JournalReader, path: Path) -> None:
    firsts = [vendor_command(1), vendor_command(2), arrival(with_length(f"APS1300000A199AAA0{ECU}")), junk(3, 50)]
    journal.append(firsts)
    for number in range(40):
        journal.append([junk(10 + number), vendor_command(1, 5000 + number)])
    assert unanswered(path)[:4] == [1, 2, 3, 4]
    assert held_bytes(path) <= BUDGET_BYTES
    first = reader.record(1)
    assert first is not None
    assert first.raw == firsts[0].message.raw


def test_many_kinds_keep_within_the_budget_and_do_not_cost_the_short_ones_their_place(
    journal: Journal, path: Path
) -> None:
    journal.append([vendor_command(0), vendor_command(1)])
    for number in range(2, 80):
        journal.append([vendor_command(number, 50_000)])
    assert held_bytes(path) <= BUDGET_BYTES
    assert unanswered(path)[:2] == [1, 2]


def test_junk_never_costs_a_record_that_was_acknowledged(journal: Journal, reader: JournalReader, path: Path) -> None:
    journal.append([numbered(number, YC600) for number in range(50)])
    journal.append([arrival(control("A102", "001.0.2END00000000000000000END"))])
    for number in range(1, 25):
        journal.set_aside(number, f"not understood: {noise(number, 50)!r}")
    for number in range(60):
        journal.append([junk(number), numbered(100 + number)])
    assert rows(path, "select count(*) from record where kind not in ('unknown', 'refused')") == [(111,)]
    assert reader.set_aside_examples(5)[0].count == 24


def test_the_same_junk_again_is_counted_and_takes_no_room(journal: Journal, path: Path) -> None:
    journal.append([junk(number) for number in range(5)])
    for _ in range(30):
        journal.append([junk(3)])
    assert unanswered(path) == [1, 2, 3, 4, 5]
    assert rows(path, f"select repeats {UNANSWERED} order by id") == [(0,), (0,), (0,), (30,), (0,)]


def test_the_budget_holds_over_restarts(journal: Journal, path: Path) -> None:
    for number in range(40):
        journal.append([junk(number)])
        if number % 7 == 0:
            journal.close()
    assert BUDGET_BYTES // 2 < held_bytes(path) <= BUDGET_BYTES


def test_what_a_purge_took_is_not_counted_for_ever(journal: Journal, path: Path) -> None:
    # The record stays, since it waits; its gateway shows how late it is.
    journal.append([numbered(1), *(junk(number) for number in range(8))])
    journal.mark_delivered(range(2, 10), RECEIVED)
    purge_before(journal, RECEIVED + 1000)
    assert unanswered(path) == []
    for number in range(10, 18):
        journal.append([junk(number)])
    assert unanswered(path) == list(range(10, 18))


def test_what_an_earlier_version_has_piled_up_goes_bit_by_bit(journal: Journal, path: Path) -> None:
    journal.open()
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.executemany(
            "insert into record"
            " (received_at, port, peer, kind, ecu, time, command, digest, raw, newest, late, set_aside)"
            " values (?, 8995, '192.0.2.9', 'unknown', '', '', '', ?, ?, 0, 0, ?)",
            ((RECEIVED, b"%d" % number, b"x" * 1000, f"{NO_TIME} {number}") for number in range(5000)),
        )
    before = len(unanswered(path))
    journal.append([junk(1, 50)])
    first = before - len(unanswered(path))
    assert 500 < first <= 1000
    for number in range(2, 9):
        journal.append([junk(number, 50)])
    assert held_bytes(path) <= BUDGET_BYTES
    assert unanswered(path)[0] == 1


def test_of_what_was_no_message_the_first_bytes_of_the_newest_stay_and_the_first_of_each_kind(
    journal: Journal, reader: JournalReader, path: Path
) -> None:
    raws = [noise(number, 2 * REFUSED_BYTES).encode() for number in range(400)]
    journal.refuse(RECEIVED, 8995, "192.0.2.9", "a kind of its own", b"GET / HTTP/1.1")
    for number, raw in enumerate(raws):
        journal.refuse(RECEIVED + number, 8995, "192.0.2.9", f"more than {number} bytes without an end", raw)
    *newest, of_its_kind, of_its_own_kind = (refusal.raw for refusal in reader.refused())
    assert of_its_own_kind == b"GET / HTTP/1.1"
    assert of_its_kind == raws[0][:REFUSED_BYTES]
    assert newest == [raw[:REFUSED_BYTES] for raw in reversed(raws[-len(newest) :])]
    assert len(newest) > 50
    assert held_bytes(path, "from refused") <= BUDGET_BYTES
    assert reader.refused_count() == 401


def test_an_earlier_refusal_is_read_as_it_was_kept(journal: Journal, reader: JournalReader, path: Path) -> None:
    journal.refuse(RECEIVED, 8995, "192.0.2.9", "junk", b"packed")
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute(
            "insert into refused (received_at, port, peer, reason, raw) values (1, 1, '192.0.2.8', 'old', x'16')"
        )
    assert [refusal.raw for refusal in reader.refused()] == [b"\x16", b"packed"]
    assert [newest.raw for _, newest in reader.refused_by_peer(5)] == [b"\x16", b"packed"]


kinds = st.one_of(
    st.builds(junk, st.integers(0, 40), st.integers(0, 120_000)),
    st.builds(vendor_command, st.integers(0, 40), st.integers(0, 120_000)),
)


@given(st.lists(st.lists(kinds, min_size=1, max_size=5), max_size=8))
@settings(max_examples=25)
def test_whatever_comes_the_budget_is_kept_and_the_last_one_is_there(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[Arrival]]
) -> None:
    path = tmp_path_factory.mktemp("junk") / "journal.db"
    journal = Journal(path)
    journal.open()
    for batch in batches:
        journal.append(batch)
        assert held_bytes(path) <= BUDGET_BYTES
        with JournalReader(path) as reader:
            last = reader.record(reader.last_id())
            assert last is None or last.raw in {sent.message.raw for batch in batches for sent in batch}
    journal.close()


# What is set aside


def test_a_record_that_is_set_aside_is_packed_and_comes_back_byte_for_byte(
    journal: Journal, reader: JournalReader, path: Path
) -> None:
    sent = arrival(with_length(f"{record(YC600)}{'A' * 90_000}"))
    assert sent.message.kind is Kind.RECORD
    journal.append([sent])
    journal.set_aside(1, "not understood")
    ((packed, size),) = rows(path, "select packed, length(raw) from record")
    assert packed == 1
    assert isinstance(size, int)
    assert size < 1000
    kept = reader.record(1)
    assert kept is not None
    assert kept.raw == sent.message.raw


def test_records_are_set_aside_under_the_kind_of_the_reason(
    journal: Journal, reader: JournalReader, path: Path
) -> None:
    journal.append([numbered(number) for number in range(3)])
    for number in (1, 2, 3):
        journal.set_aside(
            number, f"the header counts {number} inverters at 2026-06-2{number}T10:00:00Z, not '{number}x'"
        )
    kind = "the header counts N inverters at N, not ..."
    assert rows(path, "select distinct set_aside from record") == [(kind,)]
    assert reader.set_aside_examples(5) == [SetAside(kind, 3, 3)]


def test_what_an_earlier_version_set_aside_is_of_the_same_kind(
    journal: Journal, reader: JournalReader, path: Path
) -> None:
    journal.append([numbered(number) for number in range(3)])
    journal.set_aside(1, "the header counts 7 inverters")
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("update record set set_aside = 'the header counts ' || id || ' inverters' where id > 1")
    assert reader.set_aside_examples(5) == [SetAside("the header counts N inverters", 3, 3)]


def test_counting_what_is_set_aside_reads_an_index_and_no_record(
    journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.open()
    spy = Spy(monkeypatch)
    with JournalReader(path) as reader:
        reader.set_aside_examples(5)
    monkeypatch.undo()
    (asked,) = (statement for statement in spy.statements if "set_aside" in statement)
    ((*_, plan),) = rows(path, f"explain query plan {asked}")
    assert "USING COVERING INDEX record_set_aside" in str(plan)


def test_one_batch_of_what_waits_holds_a_few_megabytes(journal: Journal, reader: JournalReader) -> None:
    journal.append(
        [arrival(with_length(f"{record(time=f'{20260621000000 + n}')}{noise(n, 90_000)}")) for n in range(50)]
    )
    waiting = reader.pending(500)
    assert [kept.id for kept in waiting] == list(range(1, len(waiting) + 1))
    assert 2_000_000 < sum(len(kept.raw) for kept in waiting) < 2_300_000
    journal.mark_delivered([kept.id for kept in waiting], RECEIVED)
    assert reader.pending(500)[0].id == len(waiting) + 1
