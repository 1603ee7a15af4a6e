"""`collector restore`: everything is verified first, nothing is overwritten, and it is the whole or nothing."""

import contextlib
import gzip
import hashlib
import io
import json
import os
import shutil
import sqlite3
import stat
import tarfile
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from collector import __version__
from collector.backup import archive, restore, take
from collector.backup._settings import LEFT_OUT
from collector.commands._jobs import replay, rollup
from collector.commands.exit_codes import FINDING, FINE, USAGE
from collector.config.load import load
from collector.delivery.influx import InfluxSink
from collector.errors import CollectorError
from collector.journal.job_writing import Jobs
from collector.journal.jobs import REFILL, Progress, Request, open_jobs
from collector.journal.reading import JournalReader
from collector.journal.schema import SCHEMA_VERSION
from collector.journal.state import GAPS_STATE, RUN_STATE
from collector.journal.writing import Journal
from tests.conftest import Influx
from tests.disks import fill
from tests.program import Run, without_settings
from tests.rolling import Yard
from tests.running import Collector
from tests.samples import ECU, UID, arrival, frame, ns, yc600
from tests.whole.test_crash import RECORD

OLD = Path(__file__).parents[1] / "journal" / "versions" / "schema-1.db"
CONFIG = """[influxdb]
url = "http://127.0.0.1:9"
org = "home"
token = "very-secret-token"
"""
WITHOUT_TOKEN = CONFIG.replace("very-secret-token", LEFT_OUT)
MADE_AT = "2026-06-22T02:00:00Z"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory as on a new machine: nothing in it, and nothing in the environment."""
    place = tmp_path / "new"
    place.mkdir()
    monkeypatch.chdir(place)
    without_settings(monkeypatch)
    return place


@pytest.fixture
def backup(folder: Path) -> Path:
    """A backup of three records, made on another machine."""
    old = folder.parent / "old"
    with contextlib.closing(Journal(old / "data" / "journal.db")) as journal:
        times = ("20260621124000", "20260621124500", "20260621125000")
        journal.append([arrival(frame(time, yc600()), ns("2026-06-21T10:51:00Z")) for time in times])
    (old / "config.toml").write_text(CONFIG, encoding="utf-8")
    return made_of(old)


def made_of(old: Path) -> Path:
    path = old / "solar.tar.gz"
    with contextlib.chdir(old):
        config = load(Path("config.toml"), {"TZ": "Europe/Amsterdam"}, needs_token=False)
        take.take(config, Path("config.toml"), path, None, ns(MADE_AT), lambda *_: None)
    return path


def raws(journal: Path) -> list[bytes]:
    with JournalReader(journal) as reader:
        return [record.raw for record in reader.pending(1000)]


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def rewritten(backup: Path, change: Callable[[tarfile.TarFile, tarfile.TarInfo, bytes], None]) -> Path:
    """A backup of which each member goes through `change`, which adds what it likes."""
    other = backup.with_name("other.tar.gz")
    with tarfile.open(backup) as read, tarfile.open(other, "w:gz") as write:
        for member in read:
            content = read.extractfile(member)
            assert content is not None
            change(write, member, content.read())
    return other


def add(tar: tarfile.TarFile, member: tarfile.TarInfo, content: bytes) -> None:
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def with_manifest(backup: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    def changed(tar: tarfile.TarFile, member: tarfile.TarInfo, content: bytes) -> None:
        if member.name.endswith("manifest.json"):
            told = json.loads(content)
            change(told)
            content = json.dumps(told).encode()
        add(tar, member, content)

    return rewritten(backup, changed)


def test_on_a_new_machine_journal_and_configuration_are_there_again_and_it_says_what_is_next(
    run: Run, folder: Path, backup: Path
) -> None:
    code, out, err = run("restore", str(backup))
    assert (code, err) == (FINE, "")
    assert out.splitlines() == [
        "data/journal.db: restored",
        f"  made {MADE_AT} by collector {__version__}, instance Home",
        "  3 records of 1 ECU",
        "config.toml: restored",
        "next:",
        "  put InfluxDB's token into config.toml, where it says that it was left out",
        '  set TZ as it was where the backup was made, or timezone = "Europe/Amsterdam" in [site]',
        "  start the collector",
        "  leave InfluxDB as it is: the service writes to it what the journal holds, and deletes nothing",
    ]
    assert raws(folder / "data" / "journal.db") == raws(folder.parent / "old" / "data" / "journal.db")
    assert (folder / "config.toml").read_text() == WITHOUT_TOKEN
    assert sorted(os.listdir(folder)) == ["config.toml", "data"]  # noqa: PTH208 (hidden ones as well)


def test_a_collector_goes_on_with_it(folder: Path, backup: Path) -> None:
    with Collector(folder) as collector:
        assert collector.stop() == 0
    shutil.rmtree(folder / "data")
    done = collector.run("restore", str(backup), "--keep-config")
    assert (done.returncode, done.stderr) == (FINE, "")
    before = raws(collector.journal)
    with Collector(folder) as again:
        assert again.send(RECORD).startswith(b"101")
        assert again.status()[1]["pending"] == 4
        assert again.stop() == 0
    assert raws(again.journal) == [*before, RECORD.strip()]


def test_configuration_and_journal_are_on_the_disk_before_they_have_their_names(
    run: Run, folder: Path, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[tuple[str, str]] = []

    def sync(path: Path) -> None:
        steps.append(("synced", path.name))

    def put(finished: Path, place: Path) -> None:
        steps.append(("put", finished.name))
        finished.rename(place)

    monkeypatch.setattr(restore, "sync", sync)
    monkeypatch.setattr(restore, "put", put)
    assert run("restore", str(backup))[0] == FINE
    # The configuration first: it is in nobody's way when the journal can't follow.
    assert steps == [
        *(("synced", name) for name in ("config.toml", "journal.db")),
        *(("put", name) for name in ("config.toml", "journal.db")),
    ]
    assert (folder / "data" / "journal.db").exists()


def test_a_token_that_was_elsewhere_is_asked_for(run: Run, folder: Path) -> None:
    old = folder.parent / "old"
    with contextlib.closing(Journal(old / "data" / "journal.db")) as journal:
        journal.append([arrival(frame("20260621124000", yc600()), ns("2026-06-21T10:51:00Z"))])
    (old / "config.toml").write_text('[influxdb]\nurl = "http://127.0.0.1:9"\norg = "home"\n', encoding="utf-8")
    code, out, _ = run("restore", str(made_of(old)))
    assert code == FINE
    assert "  give the service InfluxDB's token as before: in the file or the environment that it came from\n" in out
    assert "left out" not in out


def test_a_check_says_that_it_is_good_and_writes_nothing(run: Run, folder: Path, backup: Path) -> None:
    code, out, err = run("restore", "--check", str(backup))
    assert (code, err) == (FINE, "")
    assert out.startswith(f"{backup}: good\n")
    assert everything(folder) == {}


@pytest.mark.parametrize("there", ["journal.db", "journal.db-wal", "journal.db-shm"])
def test_a_journal_or_what_is_left_of_one_is_not_overwritten(run: Run, folder: Path, backup: Path, there: str) -> None:
    (folder / "data").mkdir()
    (folder / "data" / there).write_bytes(b"precious")
    code, _, err = run("restore", str(backup))
    assert code == FINDING
    assert err == (f"collector: data/{there} is there already, and nothing is overwritten: move away data/{there}\n")
    assert everything(folder) == {f"data/{there}": b"precious"}


def test_under_a_running_collector_nothing_is_restored(folder: Path, backup: Path) -> None:
    with Collector(folder) as collector:
        collector.send(RECORD)
        done = collector.run("restore", str(backup), "--keep-config")
        assert done.returncode == FINDING
        assert "a collector runs on data/journal.db: stop it first; nothing was changed" in done.stderr
        assert collector.stop() == 0
    done = collector.run("restore", str(backup), "--keep-config")
    assert done.returncode == FINDING
    assert "move away data/journal.db" in done.stderr
    assert raws(collector.journal) == [RECORD.strip()]


def test_another_configuration_is_not_overwritten_and_can_be_gone_on_with(run: Run, folder: Path, backup: Path) -> None:
    other = f"[journal]\npath = 'elsewhere/j.db'\n{CONFIG}"
    (folder / "config.toml").write_text(other)
    code, _, err = run("restore", str(backup))
    assert code == FINDING
    assert "config.toml is there already, and nothing is overwritten: move it away" in err
    assert "--keep-config" in err
    assert everything(folder) == {"config.toml": other.encode()}
    code, out, _ = run("restore", str(backup), "--keep-config")
    assert code == FINE
    assert "elsewhere/j.db: restored" in out
    assert "config.toml: was there already, and stays as it is" in out
    assert len(raws(folder / "elsewhere" / "j.db")) == 3


def test_the_same_configuration_with_its_token_is_in_nobodys_way(run: Run, folder: Path, backup: Path) -> None:
    (folder / "config.toml").write_text(CONFIG)
    assert run("restore", str(backup))[0] == FINE
    assert (folder / "config.toml").read_text() == CONFIG


def test_nobody_else_may_read_the_configuration_that_a_token_shall_be_put_into(
    run: Run, folder: Path, backup: Path
) -> None:
    before = os.umask(0)
    try:
        assert run("restore", str(backup))[0] == FINE
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / "config.toml").stat().st_mode) == 0o600


def test_a_folder_in_which_no_configuration_can_be_made_is_found_out_before_anything_is_unpacked(
    run: Run, folder: Path, backup: Path
) -> None:
    code, _, err = run("restore", str(backup), "--config", "etc/config.toml")
    assert code == FINDING
    assert err == (
        "collector: etc: there is no such folder: make it, or mount the drive that has it; or put config.toml there by"
        " hand, and go on with it by --keep-config\n"
    )
    assert list(folder.iterdir()) == []


def test_the_journal_goes_where_the_configuration_says_and_nowhere_else(run: Run, folder: Path) -> None:
    old = folder.parent / "old"
    with contextlib.closing(Journal(old / "ours" / "j.db")) as journal:
        journal.append([arrival(frame("20260621124000", yc600()), ns("2026-06-21T10:51:00Z"))])
    (old / "config.toml").write_text("[journal]\npath = 'ours/j.db'\n")

    def elsewhere(told: dict[str, Any]) -> None:
        told["journal"] = str(folder.parent / "elsewhere" / "j.db")

    assert run("restore", str(with_manifest(made_of(old), elsewhere)))[0] == FINE
    assert sorted(everything(folder)) == ["config.toml", "ours/j.db"]
    assert not (folder.parent / "elsewhere").exists()


@pytest.mark.parametrize(
    "text",
    [
        "no toml",
        "a = " + "[" * 100_000,
        "site = 1",
        "influxdb = 1",
        "journal = 1",
        "journal.path = 1",
        "journal.path = ''",
        "journal.path = '/'",
        'journal.path = "a\\u0000b"',
        'journal.path = "\\u001b[2J"',
    ],
)
def test_a_configuration_that_is_not_right_is_refused_before_anything_appears(
    run: Run, folder: Path, backup: Path, text: str
) -> None:
    def config(tar: tarfile.TarFile, member: tarfile.TarInfo, content: bytes) -> None:
        if member.name.endswith("config.toml"):
            content = text.encode()
        elif member.name.endswith("manifest.json"):
            told = json.loads(content)
            told["members"]["config.toml"] = {
                "bytes": len(text.encode()),
                "sha256": hashlib.sha256(text.encode()).hexdigest(),
            }
            content = json.dumps(told).encode()
        add(tar, member, content)

    code, out, err = run("restore", str(rewritten(backup, config)))
    assert (code, out) == (FINDING, "")
    assert len(err.splitlines()) == 1
    assert err.strip().isprintable()
    assert list(folder.iterdir()) == []


def test_a_comment_that_lost_a_token_does_not_ask_for_one(run: Run, folder: Path) -> None:
    old = folder.parent / "old"
    with contextlib.closing(Journal(old / "data" / "journal.db")) as journal:
        journal.append([arrival(frame("20260621124000", yc600()), ns("2026-06-21T10:51:00Z"))])
    (old / "config.toml").write_text("# token = 'one-of-before'\n")
    _, out, _ = run("restore", str(made_of(old)))
    assert LEFT_OUT in (folder / "config.toml").read_text()
    assert "put InfluxDB's token" not in out


def test_a_backup_of_a_running_service_does_not_say_that_it_runs_where_it_was_restored(
    run: Run, folder: Path, backup: Path
) -> None:
    with contextlib.closing(Journal(backup.parent / "data" / "journal.db")) as journal:
        journal.put_state(RUN_STATE, {"started_at": time.time_ns(), "beat_at": time.time_ns()})
    backup.unlink()
    assert run("restore", str(made_of(backup.parent)))[0] == FINE
    with JournalReader(folder / "data" / "journal.db") as reader:
        assert reader.state(RUN_STATE) == {}
    code, _, err = run("restore", str(backup))
    assert code == FINDING
    assert "data/journal.db is there already" in err


def test_gaps_that_are_no_times_are_refused(run: Run, folder: Path, backup: Path) -> None:
    with contextlib.closing(Journal(backup.parent / "data" / "journal.db")) as journal:
        journal.put_state(GAPS_STATE, {"gaps": [["x"]]})
    backup.unlink()
    code, _, err = run("restore", str(made_of(backup.parent)))
    assert (code, err) == (FINDING, "collector: the backup's journal is damaged: its gaps are no times\n")
    assert everything(folder) == {}


def test_a_configuration_in_another_encoding_is_another_one(run: Run, folder: Path, backup: Path) -> None:
    (folder / "config.toml").write_bytes(b"[site]\nname = 'M\xfcller'\n")
    code, _, err = run("restore", str(backup))
    assert code == FINDING
    assert "config.toml is there already" in err


def test_a_faulty_configuration_that_is_there_is_named(run: Run, folder: Path, backup: Path) -> None:
    (folder / "config.toml").write_text("[site]\nnam = 'x'\n")
    code, _, err = run("restore", str(backup), "--keep-config")
    assert code == USAGE
    assert "site.nam: unknown key" in err
    assert not (folder / "data").exists()


def test_a_journal_of_an_older_schema_is_brought_up_to_date_on_the_way(run: Run, folder: Path) -> None:
    old = folder.parent / "old"
    (old / "data").mkdir(parents=True)
    shutil.copy(OLD, old / "data" / "journal.db")
    (old / "config.toml").write_text("[site]\ntimezone = 'UTC'\n")
    backup = made_of(old)
    with tarfile.open(backup) as tar:
        told = tar.extractfile("collector-backup/manifest.json")
        assert told is not None
        assert json.load(told)["journal_schema"] == 1
    assert run("restore", str(backup))[0] == FINE
    with contextlib.closing(sqlite3.connect(folder / "data" / "journal.db")) as db:
        assert db.execute("pragma user_version").fetchone() == (SCHEMA_VERSION,)
        assert db.execute("select count(*) from record").fetchone() == (309,)


def newer_schema(told: dict[str, Any]) -> None:
    told["journal_schema"] = SCHEMA_VERSION + 1


def newer_format(told: dict[str, Any]) -> None:
    told["format"] = 2


@pytest.mark.parametrize("change", [newer_schema, newer_format])
def test_a_backup_of_a_newer_collector_is_refused(
    run: Run, folder: Path, backup: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    code, _, err = run("restore", str(with_manifest(backup, change)))
    assert code == FINDING
    assert "was made by a newer collector" in err
    assert everything(folder) == {}


def wrong_count(told: dict[str, Any]) -> None:
    told["tables"]["record"] += 1


def wrong_date(told: dict[str, Any]) -> None:
    told["made_at"] = "yesterday"


def no_zone(told: dict[str, Any]) -> None:
    told["made_at"] = "2026-06-22T02:00:00"


def no_day(told: dict[str, Any]) -> None:
    told["made_at"] = "2026-02-30T02:00:00Z"


def no_year(told: dict[str, Any]) -> None:
    told["made_at"] = "0001-01-01T00:00:00Z"


def for_the_terminal(told: dict[str, Any]) -> None:
    told["instance"] = "\x1b]0;title\x07"


def for_the_terminal_too(told: dict[str, Any]) -> None:
    told["ecus"]["\x1b[2J"] = "many"


def negative(told: dict[str, Any]) -> None:
    told["members"]["journal.db"]["bytes"] = -1


def no_journal(told: dict[str, Any]) -> None:
    del told["members"]["journal.db"]


def another_member(told: dict[str, Any]) -> None:
    told["members"]["../../evil"] = told["members"]["journal.db"]


@pytest.mark.parametrize(
    "change",
    [
        wrong_count,
        wrong_date,
        no_zone,
        no_day,
        no_year,
        for_the_terminal,
        for_the_terminal_too,
        negative,
        no_journal,
        another_member,
    ],
)
def test_a_manifest_that_is_not_right_is_refused(
    run: Run, folder: Path, backup: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    code, out, err = run("restore", str(with_manifest(backup, change)))
    assert (code, out) == (FINDING, "")
    assert len(err.splitlines()) == 1
    assert err.strip().isprintable()
    assert everything(folder) == {}


def test_no_byte_of_it_can_change_unnoticed(run: Run, folder: Path, backup: Path) -> None:
    content = gzip.decompress(backup.read_bytes())
    with tarfile.open(backup) as tar:
        spans = [(member.offset_data, member.size) for member in tar]
    bad = backup.with_name("bad.tar.gz")
    # A byte of each member, near both ends and in the middle; what pads the members is nobody's data.
    places = sorted({start + at for start, size in spans for at in (0, size // 2, size - 1)})
    for place in places:
        changed = bytearray(content)
        changed[place] ^= 1
        bad.write_bytes(gzip.compress(changed, 1))
        code, out, err = run("restore", str(bad))
        assert (code, out) == (FINDING, ""), place
        assert len(err.splitlines()) == 1
        assert everything(folder) == {}


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.9])
def test_a_part_of_a_backup_is_refused(run: Run, folder: Path, backup: Path, share: float) -> None:
    content = backup.read_bytes()
    backup.write_bytes(content[: int(share * len(content))])
    code, _, err = run("restore", str(backup))
    assert code == FINDING
    assert "is damaged, or no backup of a collector" in err
    assert everything(folder) == {}


@pytest.mark.parametrize("content", [b"", b"my shopping list\n" * 1000, gzip.compress(b"list\n" * 1000, mtime=0)])
def test_what_is_no_backup_is_refused(run: Run, folder: Path, content: bytes) -> None:
    path = folder.parent / "x.tar.gz"
    path.write_bytes(content)
    code, _, err = run("restore", str(path))
    assert code == FINDING
    assert "is damaged, or no backup of a collector" in err
    assert run("restore", str(folder.parent / "none"))[0] == FINDING


def evil(name: str, kind: bytes = tarfile.REGTYPE) -> Callable[[tarfile.TarFile, tarfile.TarInfo, bytes], None]:
    def change(tar: tarfile.TarFile, member: tarfile.TarInfo, content: bytes) -> None:
        if member.name.endswith("journal.db"):
            more = tarfile.TarInfo(name)
            more.type, more.linkname = kind, "/etc/passwd"
            add(tar, more, content if kind == tarfile.REGTYPE else b"")
        add(tar, member, content)

    return change


@pytest.mark.parametrize(
    "change",
    [
        evil("../../evil"),
        evil("/tmp/evil"),  # noqa: S108 (not written to)
        evil("collector-backup/../evil"),
        evil("collector-backup/journal.db"),
        evil("collector-backup/journal.db", tarfile.SYMTYPE),
        evil("collector-backup/journal.db", tarfile.LNKTYPE),
        evil("collector-backup/journal.db", tarfile.FIFOTYPE),
        evil("collector-backup/config.toml"),
    ],
)
def test_a_file_with_anything_else_in_it_is_refused(
    run: Run, folder: Path, backup: Path, change: Callable[[tarfile.TarFile, tarfile.TarInfo, bytes], None]
) -> None:
    before = everything(folder.parent)
    bad = rewritten(backup, change)
    for arguments in (("restore", str(bad)), ("restore", "--check", str(bad))):
        code, _, err = run(*arguments)
        assert code == FINDING
        assert "is damaged, or no backup of a collector" in err
    bad.unlink()
    assert everything(folder.parent) == before


def test_a_manifest_too_large_for_memory_is_not_read(run: Run, backup: Path) -> None:
    def change(tar: tarfile.TarFile, member: tarfile.TarInfo, content: bytes) -> None:
        add(tar, member, content + b" " * archive.MOST_TEXT_BYTES)

    assert run("restore", str(rewritten(backup, change)))[0] == FINDING


def test_on_a_full_disk_there_is_one_line_and_nothing_is_left(run: Run, small_disk: Path, backup: Path) -> None:
    config = small_disk / "config.toml"
    config.write_text(f"[journal]\npath = '{small_disk}/data/journal.db'\n")
    (small_disk / "data").mkdir()
    ballast = fill(small_disk)
    arguments = ("restore", str(backup), "--config", str(config), "--keep-config")
    for room in (0, 8192, 40_000):
        os.truncate(ballast, ballast.stat().st_size - room)
        code, _, err = run(*arguments)
        assert (code, len(err.splitlines())) == (FINDING, 1)
        assert "the disk is full" in err
        assert list((small_disk / "data").iterdir()) == []
    ballast.unlink()
    assert run(*arguments)[0] == FINE


def test_cut_off_it_leaves_nothing_and_the_same_command_does_the_rest(folder: Path, run: Run, backup: Path) -> None:
    def interrupt(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restore.restore(backup, None, keep_config=False, now=ns("2026-06-23T02:00:00Z"), progress=interrupt)
    assert everything(folder) == {}
    # The configuration was there and the journal not yet.
    (folder / "config.toml").write_text(WITHOUT_TOKEN)
    assert run("restore", str(backup))[0] == FINE


def test_a_journal_that_a_service_begins_meanwhile_is_not_overwritten(folder: Path, backup: Path) -> None:
    def begin(_done: int, _total: int) -> None:
        (folder / "data" / "journal.db").write_bytes(b"precious")

    with pytest.raises(CollectorError, match="is there already"):
        restore.restore(backup, None, keep_config=False, now=ns("2026-06-23T02:00:00Z"), progress=begin)
    assert (folder / "data" / "journal.db").read_bytes() == b"precious"
    assert os.listdir(folder / "data") == ["journal.db"]  # noqa: PTH208 (hidden ones as well)


# What only InfluxDB has


@pytest.fixture
def yard(influx: Influx, folder: Path) -> Iterator[Yard]:
    sink = InfluxSink(influx.url, influx.org, influx.token, influx.bucket, influx.rollup_bucket)
    sink.connect()
    yield Yard(influx, folder / "data" / "journal.db", sink)
    sink.close()


def test_what_came_between_backup_and_restore_stays_in_influxdb_through_every_replay(
    yard: Yard, folder: Path, run: Run
) -> None:
    def day(number: int, ecu: str = ECU) -> bytes:
        return frame(f"{date(2026, 6, 20) + timedelta(days=number):%Y%m%d}120000", yc600(), ecu=ecu)

    yard.deliver(day(0), day(1))
    (folder / "config.toml").write_text("")
    taken = take.take(
        load(None, {}), None, folder.parent / "b.tar.gz", None, ns("2026-06-21T18:00:00Z"), lambda *_: None
    )
    yard.deliver(day(2), day(3))
    yard.roll_up()
    before = yard.daily()
    assert yard.energies() == {f"{UID}-1": 4 * 2.041, f"{UID}-2": 4 * 1.995}
    shutil.rmtree(folder / "data")
    restore.restore(taken.path, None, keep_config=True, now=ns("2026-06-24T06:00:00Z"), progress=lambda *_: None)
    yard.deliver(day(4))
    replay(yard.config, ecu=None, first=None, last=None)
    assert {key: fields for key, fields in yard.daily().items() if key in before} == before
    assert yard.energies() == {f"{UID}-1": round(5 * 2.041, 3), f"{UID}-2": round(5 * 1.995, 3)}
    # Under new names everything that the journal has is there once, and what it lacks keeps its name.
    panels = ({"channel": 1, "name": "East"}, {"channel": 2, "name": "West"})
    renamed = Yard(yard.influx, yard.path, yard.sink, inverters=({"id": UID, "panels": panels},))
    replay(renamed.config, ecu=None, first=None, last=None)
    assert yard.energies() == {
        "East": round(3 * 2.041, 3),
        "West": round(3 * 1.995, 3),
        f"{UID}-1": 2 * 2.041,
        f"{UID}-2": 2 * 1.995,
    }
    # A second backup and restore adds its gap to the first.
    again = take.take(
        load(None, {}), None, folder.parent / "c.tar.gz", None, ns("2026-06-25T18:00:00Z"), lambda *_: None
    )
    shutil.rmtree(folder / "data")
    assert run("restore", str(again.path), "--keep-config")[0] == FINE
    with JournalReader(yard.path) as reader:
        gaps = reader.gaps()
    assert gaps[0] == (ns("2026-06-21T17:45:00Z"), ns("2026-06-24T06:00:00Z"))
    assert gaps[1][0] == ns("2026-06-25T17:45:00Z")


def test_a_day_of_the_gap_whose_roll_up_was_not_computed_any_more_is_rolled_up_after_the_restore(
    yard: Yard, folder: Path
) -> None:
    yard.deliver(frame("20260620120000", yc600()))
    (folder / "config.toml").write_text("")
    taken = take.take(
        load(None, {}), None, folder.parent / "b.tar.gz", None, ns("2026-06-21T18:00:00Z"), lambda *_: None
    )
    yard.roll_up()
    # Delivered, but what was marked for its roll-up is lost with the journal.
    yard.deliver(frame("20260622120000", yc600()))
    shutil.rmtree(folder / "data")
    restore.restore(taken.path, None, keep_config=True, now=ns("2026-06-23T06:00:00Z"), progress=lambda *_: None)
    with JournalReader(yard.path) as reader:
        assert [(job.kind, job.ecu) for job in open_jobs(reader)] == [("refill", ECU)]
        # Whoever delivers first does it, here a command, which ends when its own days are computed.
        for _ in range(5):
            rollup(yard.config, ecu=None, first=None, last=None)
            if not open_jobs(reader):
                break
        assert open_jobs(reader) == []
    assert yard.energies() == {f"{UID}-1": 2 * 2.041, f"{UID}-2": 2 * 1.995}


def test_all_of_a_restored_journal_is_to_be_written_again_whatever_it_says_of_influxdb(folder: Path) -> None:
    old = folder.parent / "old"
    ecus = ("", ECU, "216000999999")
    with contextlib.closing(Journal(old / "data" / "journal.db")) as journal:
        frames = [frame("20260621124000", yc600(), ecu=ecu or "2160 000 OR!") for ecu in ecus]
        journal.append([arrival(raw, ns("2026-06-21T10:51:00Z")) for raw in frames])
        journal.mark_delivered(range(1, 4), ns("2026-06-21T10:52:00Z"))
    (old / "config.toml").write_text(CONFIG)
    restore.restore(made_of(old), None, keep_config=False, now=ns("2026-06-24T18:00:00Z"), progress=lambda *_: None)
    with JournalReader(folder / "data" / "journal.db") as reader:
        found = {(job.kind, job.ecu, job.phase, job.total) for job in open_jobs(reader)}
    assert found == {("refill", ecu, "next", 1) for ecu in ecus}


def test_a_refill_that_was_under_way_when_the_backup_was_made_begins_again(folder: Path) -> None:
    old = folder.parent / "old"
    with contextlib.closing(Journal(old / "data" / "journal.db")) as journal:
        journal.append([arrival(frame("20260621124000", yc600()), ns("2026-06-21T10:51:00Z"))])
        journal.mark_delivered([1], ns("2026-06-21T10:52:00Z"))
        jobs = Jobs(journal)
        (job,) = jobs.ask([Request(REFILL, ECU)], ns("2026-06-22T01:00:00Z"))
        jobs.begin(job, "names")
        jobs.begin_span(job, "2026-06-01", "")
        jobs.advance(job, Progress(cursor=1, records=1))
        jobs.end_span(job, is_last=False)
    (old / "config.toml").write_text(CONFIG)
    restore.restore(made_of(old), None, keep_config=False, now=ns("2026-06-24T18:00:00Z"), progress=lambda *_: None)
    with JournalReader(folder / "data" / "journal.db") as reader:
        (again,) = open_jobs(reader)
    # What it had written by then may not be in InfluxDB any more.
    assert (again.kind, again.phase, again.span_first, again.cursor, again.records) == (REFILL, "next", "", 0, 0)
