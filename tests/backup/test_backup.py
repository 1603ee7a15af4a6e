"""`collector backup`: what is in the file, when it appears, and what never happens to those that are there."""

import contextlib
import json
import os
import sqlite3
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomlkit

from collector import disk
from collector.backup import archive, files, take
from collector.backup._settings import LEFT_OUT, without_secrets
from collector.commands.exit_codes import FINDING, FINE, USAGE
from collector.config.load import load
from collector.doctor.ports import POLL
from collector.errors import CollectorError
from collector.journal.reading import JournalReader
from collector.journal.writing import Journal
from tests.disks import fill
from tests.program import Run, without_settings
from tests.running import Collector
from tests.samples import ECU, arrival, frame, ns, yc600
from tests.whole.test_crash import ACKNOWLEDGED, RECORD, Load

OTHER = "216000999999"
TOKEN = "very-secret-token"
CONFIG = f"""# Ours.
[site]
name = "Müller's barn"   # the big one
timezone = "Europe/Amsterdam"

[influxdb]
url = "http://127.0.0.1:9"
org = "home"
token = "{TOKEN}"        # do not tell
# token = 'one-of-before'
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a configuration and nothing in the environment."""
    monkeypatch.chdir(tmp_path)
    without_settings(monkeypatch)
    (tmp_path / "config.toml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


@pytest.fixture
def journal(folder: Path) -> Iterator[Path]:
    """A journal with three records of two gateways, which is open as it is while the service runs."""
    path = folder / "data" / "journal.db"
    with contextlib.closing(Journal(path)) as journal:
        frames = (frame("20260621124000", yc600()), frame("20260621124500", yc600()))
        journal.append([arrival(raw, ns("2026-06-21T10:46:00Z")) for raw in frames])
        journal.append([arrival(frame("20260621124500", yc600(), ecu=OTHER), ns("2026-06-21T10:47:00Z"))])
        yield path


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        found = {}
        for member in tar:
            content = tar.extractfile(member)
            assert content is not None
            found[member.name.removeprefix("collector-backup/")] = content.read()
        return found


def manifest(path: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(members(path)["manifest.json"])
    return read


def records(journal: bytes, folder: Path) -> list[bytes]:
    """The bytes of every record of a journal that came out of a backup."""
    path = folder / "from-a-backup.db"
    path.write_bytes(journal)
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("pragma integrity_check").fetchall() == [("ok",)]
    with JournalReader(path) as reader:
        return [record.raw for gateway in reader.gateways() for record in reader.by_time(gateway.ecu)]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.usefixtures("journal")
def test_one_file_has_journal_configuration_and_what_they_are(run: Run, folder: Path) -> None:
    code, out, err = run("backup", "solar.tar.gz")
    assert (code, err) == (FINE, "")
    assert out.startswith("solar.tar.gz: 3 records of 2 ECUs, 0.0 MB, read back and good")
    found = members(folder / "solar.tar.gz")
    assert list(found) == ["manifest.json", "config.toml", "journal.db"]
    assert len(records(found["journal.db"], folder)) == 3
    told = manifest(folder / "solar.tar.gz")
    assert (told["instance"], told["timezone"]) == ("Müller's barn", "Europe/Amsterdam")
    assert told["ecus"] == {ECU: 2, OTHER: 1}
    assert (told["tables"]["record"], told["tables"]["ecu"]) == (3, 2)
    assert {name: member["bytes"] for name, member in told["members"].items()} == {
        name: len(content) for name, content in found.items() if name != "manifest.json"
    }


@pytest.mark.usefixtures("journal")
def test_no_token_is_in_it_and_the_rest_of_the_configuration_is_as_it_was(run: Run, folder: Path) -> None:
    run("backup", "solar.tar.gz")
    kept = members(folder / "solar.tar.gz")["config.toml"].decode()
    assert kept == CONFIG.replace(TOKEN, LEFT_OUT).replace("'one-of-before'", f'"{LEFT_OUT}"')


@pytest.mark.parametrize(
    "text",
    [
        f'influxdb = {{ url = "http://x:1", org = "o", token = "{TOKEN}" }}',
        f'influxdb.url = "http://x:1"\ninfluxdb.org = "o"\ninfluxdb.token = "{TOKEN}"',
        f"[influxdb]\nurl = 'http://x:1'\norg = 'o'\n\"token\" = '''{TOKEN}'''",
        '[influxdb]\nurl = "http://x:1"\norg = "o"\ntoken = "very-\\u0073ecret-token"',
        f'# it is {TOKEN}\n[influxdb]\nurl = "http://x:1"\norg = "o"\ntoken = "{TOKEN}" # {TOKEN}',
    ],
)
def test_a_token_is_found_however_it_is_written(text: str, tmp_path: Path) -> None:
    plain = without_secrets(text)
    assert "secret" not in plain
    assert "u0073" not in plain
    path = tmp_path / "plain.toml"
    path.write_text(plain, encoding="utf-8")
    influxdb = load(path, {}).influxdb
    assert influxdb is not None
    assert influxdb.token.get_secret_value() == LEFT_OUT
    assert (influxdb.url, influxdb.org) == ("http://x:1", "o")


@pytest.mark.parametrize("token", ["solar", "token", "home", "influxdb", "[", "\\\\1"])
def test_a_token_that_equals_other_words_changes_none_but_itself(token: str, tmp_path: Path) -> None:
    text = (
        f'[influxdb]\nurl = "http://home:1"\norg = "home"\nbucket = "solar"\ntoken = "{token}"  # not {token}!\n'
        f"[site]\nname = \"a # token = 'x', solar\"\n[[inverter]]\nid = \"408000158215\"\nname = '''# \"solar\" '''\n"
    )
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    before = load(path, {}).model_dump()
    path.write_text(without_secrets(text), encoding="utf-8")
    after = load(path, {}).model_dump()
    assert after["influxdb"].pop("token").get_secret_value() == LEFT_OUT
    assert before["influxdb"].pop("token").get_secret_value() == token.replace("\\\\", "\\")
    assert after == before


def test_a_short_token_leaves_the_comments_as_well() -> None:
    text = '# solar is it, solarium is not; was token = "home"\n[influxdb]\ntoken = "solar"\n'
    assert without_secrets(text).splitlines()[0] == (f'# {LEFT_OUT} is it, solarium is not; was token = "{LEFT_OUT}"')


def test_a_configuration_that_its_token_can_not_be_taken_from_is_not_backed_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tomlkit, "dumps", lambda _: '[influxdb]\n"left-out" = "token"\n')
    with pytest.raises(CollectorError, match="can't be taken out of the configuration"):
        without_secrets(CONFIG)


@pytest.mark.usefixtures("journal")
@pytest.mark.parametrize(
    "text",
    [
        '[influxdb]\nurl = "http://127.0.0.1:9"\norg = "home"\ntoken_file = "/nowhere"\n',
        # Over several lines, which TOML allowed late.
        "[[inverter]]\nid = '408000000001'\npanels = [{\n  channel = 1,\n  name = 'South 1',\n}]\n",
    ],
    ids=["a token that is elsewhere", "newer TOML"],
)
def test_a_configuration_without_a_token_is_backed_up_as_it_is(run: Run, folder: Path, text: str) -> None:
    (folder / "config.toml").write_text(text, encoding="utf-8")
    assert run("backup", "solar.tar.gz")[0] == FINE
    assert members(folder / "solar.tar.gz")["config.toml"].decode() == text


@pytest.mark.usefixtures("journal")
@pytest.mark.parametrize(
    ("text", "limit", "name"), [("# " + 5000 * "x", 4000, "config.toml"), ("", 100, "manifest.json")]
)
def test_what_is_too_large_to_be_read_back_is_not_backed_up(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, text: str, limit: int, name: str
) -> None:
    (folder / "config.toml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(archive, "MOST_TEXT_BYTES", limit)
    code, _, err = run("backup", "solar.tar.gz")
    assert code == FINDING
    assert f"{name} would be too large to be read back" in err
    assert not (folder / "solar.tar.gz").exists()


@pytest.mark.usefixtures("journal")
def test_nobody_else_may_read_a_backup(run: Run, folder: Path) -> None:
    before = os.umask(0)
    try:
        assert run("backup", "solar.tar.gz")[0] == FINE
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / "solar.tar.gz").stat().st_mode) == 0o600


def test_the_poll_of_the_doctor_counts_as_no_gateway(run: Run, journal: Path) -> None:
    with contextlib.closing(Journal(journal)) as more:
        more.append([arrival(POLL, ns("2026-06-21T10:48:00Z"))])
    _, out, _ = run("backup", "solar.tar.gz")
    assert out.startswith("solar.tar.gz: 3 records of 2 ECUs, ")
    _, out, _ = run("restore", "--check", "solar.tar.gz")
    assert "  3 records of 2 ECUs\n" in out


def test_the_name_of_a_tokens_file_stays() -> None:
    text = '[influxdb]\nurl = "http://x:1"\norg = "o"\ntoken_file = "/run/secrets/influxdb_token"\n'
    assert without_secrets(text) == text


@pytest.mark.usefixtures("journal")
def test_without_a_configuration_there_is_none_in_it(run: Run, folder: Path) -> None:
    (folder / "config.toml").unlink()
    assert run("backup", "solar.tar.gz")[0] == FINE
    assert list(members(folder / "solar.tar.gz")) == ["manifest.json", "journal.db"]


@pytest.mark.slow
def test_whatever_was_acknowledged_before_a_backup_is_in_it_and_its_records_are_those_of_one_instant(
    tmp_path: Path,
) -> None:
    with Collector(tmp_path) as collector, Load(collector, 4) as load:
        for number in range(5):
            load.wait_for(100 * (number + 1))
            acknowledged = list(load.acknowledged)
            done = collector.run("backup", f"{number}.tar.gz")
            assert (done.returncode, done.stderr) == (FINE, "")
            kept = records(members(tmp_path / f"{number}.tar.gz")["journal.db"], tmp_path)
            assert set(acknowledged) <= set(kept)
            by_gateway: dict[bytes, list[bytes]] = {}
            for raw in kept:
                by_gateway.setdefault(raw[18:30], []).append(raw)
            # Each gateway sends one after the other: none is missing in between.
            for raws in by_gateway.values():
                assert len(raws) == len(set(raws))
                times = [int(raw[60:74]) for raw in raws]
                assert times == list(range(times[0], times[0] + len(times)))
            assert manifest(tmp_path / f"{number}.tar.gz")["tables"]["record"] == len(kept)
        collector.kill()


def test_the_service_answers_while_a_backup_stands_still_in_the_middle(tmp_path: Path) -> None:
    # More than SQLite copies at once.
    with contextlib.closing(Journal(tmp_path / "data" / "journal.db")) as journal:
        raws = (frame(f"{20250101000000 + number}", *[yc600()] * 40) for number in range(1000))
        journal.append([arrival(raw, ns("2026-06-21T10:46:00Z")) for raw in raws])
    seen = []

    def progress(stage: str, done: int, total: int) -> None:
        if stage == "copy" and done < total:
            seen.append(collector.send(RECORD))

    with Collector(tmp_path) as collector:
        config = load(collector.config, {})
        taken = take.take(
            config, collector.config, tmp_path / "solar.tar.gz", None, ns("2026-06-22T02:00:00Z"), progress
        )
        assert collector.stop() == 0
    assert seen
    assert set(seen) == {ACKNOWLEDGED}
    # The one that came during the copy is behind its instant.
    assert taken.manifest.tables["record"] == 1000


# Names


@pytest.mark.usefixtures("journal")
def test_a_file_that_is_there_is_never_overwritten(run: Run, folder: Path) -> None:
    (folder / "solar.tar.gz").write_text("precious")
    code, out, err = run("backup", "solar.tar.gz")
    assert (code, out) == (FINDING, "")
    assert err == "collector: solar.tar.gz is there already, and nothing is overwritten\n"
    assert (folder / "solar.tar.gz").read_text() == "precious"


@pytest.mark.usefixtures("journal")
def test_a_file_that_appears_meanwhile_is_not_overwritten_either(folder: Path) -> None:
    place = folder / "solar.tar.gz"

    def progress(stage: str, _done: int, _total: int) -> None:
        if stage == "verify":
            place.write_text("precious")

    with pytest.raises(CollectorError, match="is there already"):
        take.take(load(None, {}), None, place, None, ns("2026-06-22T02:00:00Z"), progress)
    assert place.read_text() == "precious"
    assert names(folder) == ["config.toml", "data", "solar.tar.gz"]


@pytest.mark.usefixtures("journal")
def test_on_a_drive_without_hard_links_it_gets_its_place_as_well(
    folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    assert run("backup", "solar.tar.gz")[0] == FINE
    assert run("restore", "--check", "solar.tar.gz")[0] == FINE
    (folder / "other").write_text("new")
    with pytest.raises(CollectorError, match="is there already"):
        files.put(folder / "other", folder / "solar.tar.gz")


def nightly(folder: Path, nights: int, keep: int | None = None) -> list[take.Taken]:
    start = ns("2026-06-22T02:00:00Z")
    day_ns = 24 * 3600 * 10**9
    config = load(None, {})
    return [take.take(config, None, folder, keep, start + n * day_ns, lambda *_: None) for n in range(nights)]


@pytest.mark.usefixtures("journal")
def test_in_a_folder_it_is_named_by_site_and_date_and_the_oldest_make_room(folder: Path) -> None:
    out = folder / "out"
    out.mkdir()
    taken = nightly(out, 5, keep=3)
    assert names(out) == [f"collector-m-ller-s-barn-202606{day}T020000Z.tar.gz" for day in (24, 25, 26)]
    assert [path.name for one in taken for path in one.removed] == [
        f"collector-m-ller-s-barn-202606{day}T020000Z.tar.gz" for day in (22, 23)
    ]


@pytest.mark.usefixtures("journal")
def test_nothing_but_older_backups_of_the_same_collector_is_removed(folder: Path) -> None:
    out = folder / "out"
    out.mkdir()
    (out / "collector-m-ller-s-barn-20200101T000000Z.tar.gz").write_text("no backup")
    (out / "collector-m-ller-s-barn-20200101T000000Z.tar.gz.asc").write_text("a signature")
    (out / "holiday.tar.gz").write_text("photos")
    before = names(out)
    config = folder / "config.toml"
    # Another site, whose name looks the same in a file name.
    config.write_text(CONFIG.replace("Müller's", "Möller's"), encoding="utf-8")
    (theirs,) = nightly(out, 1)
    config.write_text(CONFIG, encoding="utf-8")
    start = ns("2026-07-01T02:00:00Z")
    ours = [take.take(load(None, {}), None, out, 1, start + n * 10**9, lambda *_: None) for n in range(2)]
    assert ours[1].removed == [ours[0].path]
    assert names(out) == sorted([*before, theirs.path.name, ours[1].path.name])


@pytest.mark.usefixtures("journal")
def test_a_clock_that_went_back_does_not_cost_the_backup_just_made(folder: Path) -> None:
    out = folder / "out"
    out.mkdir()
    nightly(out, 2)
    early = take.take(load(None, {}), None, out, 1, ns("2020-01-01T00:00:00Z"), lambda *_: None)
    assert names(out) == [early.path.name]


# What goes wrong


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ("solar.tar.gz", "--keep", "3"),
            "--keep wants a folder, and solar.tar.gz is none: make it, or mount the drive",
        ),
        ((".", "--keep", "0"), "'0' is no number from 1 up"),
        ((), "the following arguments are required: OUT"),
    ],
)
def test_a_wrong_command_line_is_a_usage_error(run: Run, arguments: tuple[str, ...], says: str) -> None:
    code, _, err = run("backup", *arguments)
    assert code == USAGE
    assert says in err


def test_without_a_journal_there_is_nothing_to_back_up(run: Run, folder: Path) -> None:
    code, _, err = run("backup", "solar.tar.gz")
    assert (code, err) == (FINDING, "collector: there is no journal at data/journal.db: `collector run` makes it\n")
    assert names(folder) == ["config.toml"]


@pytest.mark.usefixtures("journal")
def test_a_folder_that_is_not_there_is_named(run: Run) -> None:
    code, _, err = run("backup", "nas/solar.tar.gz")
    assert code == FINDING
    assert err == "collector: nas: there is no such folder: make it, or mount the drive that has it\n"


@pytest.mark.usefixtures("journal")
def test_a_faulty_configuration_is_not_backed_up_unnoticed(run: Run, folder: Path) -> None:
    (folder / "config.toml").write_text("[site]\nnam = 'x'\n")
    code, _, err = run("backup", "solar.tar.gz")
    assert code == USAGE
    assert "site.nam: unknown key" in err
    assert "solar.tar.gz" not in names(folder)


def test_a_damaged_journal_replaces_no_good_backup(run: Run, folder: Path, journal: Path) -> None:
    out = folder / "out"
    out.mkdir()
    with contextlib.closing(Journal(journal)) as more:
        more.append([arrival(frame(f"{20250101000000 + n}", yc600()), ns("2026-06-21T10:46:00Z")) for n in range(500)])
    nightly(out, 1)
    good = names(out)
    with contextlib.closing(sqlite3.connect(journal)) as db:
        db.execute("pragma wal_checkpoint(truncate)")
    damaged = folder / "damaged.db"
    content = bytearray(journal.read_bytes())
    content[20 * 4096 : 24 * 4096] = b"\xff" * 4 * 4096
    damaged.write_bytes(content)
    (folder / "config.toml").write_text(f"{CONFIG}[journal]\npath = 'damaged.db'\n", encoding="utf-8")
    code, _, err = run("backup", "out", "--keep", "1")
    assert code == FINDING
    assert "damaged.db is not backed up, and no older backup was removed: the journal is damaged" in err
    assert names(out) == good


@pytest.mark.usefixtures("journal")
def test_what_another_backup_takes_away_meanwhile_is_no_fault(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Path.glob

    def glob(path: Path, pattern: str) -> list[Path]:
        return [*found(path, pattern), path / ".collector-gone.part"]

    monkeypatch.setattr(Path, "glob", glob)
    assert run("backup", str(folder / "solar.tar.gz"))[0] == FINE


@pytest.mark.usefixtures("journal")
@pytest.mark.parametrize("stage", ["copy", "pack", "verify"])
def test_cut_off_at_any_stage_nothing_is_left(folder: Path, stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    out = folder / "out"
    out.mkdir()

    def interrupt(current: str, _done: int, _total: int) -> None:
        if current == stage:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take.take(load(None, {}), folder / "config.toml", out, None, ns("2026-06-22T02:00:00Z"), interrupt)
    assert names(out) == []
    # What a power cut leaves goes a day later.
    (out / ".collector-abc.part").mkdir()
    (out / ".collector-abc.part" / "journal.db").write_bytes(b"half")
    nightly(out, 1)
    assert ".collector-abc.part" in names(out)
    monkeypatch.setattr(files, "_ABANDONED_S", -1)
    nightly(out / "..", 1)
    take.take(load(None, {}), None, out, None, ns("2026-06-23T02:00:00Z"), lambda *_: None)
    assert ".collector-abc.part" not in names(out)


def test_on_a_full_disk_there_is_one_line_and_no_half_file(run: Run, small_disk: Path, journal: Path) -> None:
    out = small_disk / "out"
    out.mkdir()
    ballast = fill(small_disk)
    with contextlib.closing(sqlite3.connect(journal)) as db:
        (size,) = db.execute("select page_count * page_size from pragma_page_count, pragma_page_size").fetchone()
    # None at all; for half a copy of the journal; for the copy and not for what is made of it.
    for room in (0, size // 2, size - size // 2):
        os.truncate(ballast, ballast.stat().st_size - room)
        code, _, err = run("backup", str(out))
        assert (code, len(err.splitlines())) == (FINDING, 1)
        assert "the disk is full: make room" in err
        assert ".part" not in err
        assert "journal.db" not in err
        assert names(out) == []
    ballast.unlink()
    assert run("backup", str(out))[0] == FINE


@pytest.mark.usefixtures("journal")
def test_a_byte_that_the_disk_changed_is_noticed_before_the_backup_counts(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sync(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)

    monkeypatch.setattr(take, "sync", sync)
    with pytest.raises(CollectorError, match="is damaged, or no backup"):
        take.take(load(None, {}), None, folder / "solar.tar.gz", None, ns("2026-06-22T02:00:00Z"), lambda *_: None)
    assert names(folder) == ["config.toml", "data"]


@pytest.mark.usefixtures("journal")
def test_its_name_is_brought_to_the_disk_when_it_has_one(
    folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[Path, bool]] = []
    monkeypatch.setattr(disk, "sync", lambda path: synced.append((path, (folder / "solar.tar.gz").exists())))
    run("backup", str(folder / "solar.tar.gz"))
    assert synced == [(folder, True)]


@pytest.mark.usefixtures("journal")
def test_what_it_unpacks_to_lies_in_a_folder_of_its_own(folder: Path, run: Run) -> None:
    run("backup", "solar.tar.gz")
    with tarfile.open(folder / "solar.tar.gz") as tar:
        assert all(member.isreg() and member.name.startswith(f"{archive.FOLDER}/") for member in tar)
