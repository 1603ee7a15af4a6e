"""`collector export` as an owner meets it: what is there afterwards, and what it says when something is in the way."""

import csv
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from threading import Event

import pytest

from collector import disk
from collector.commands.exit_codes import FINDING, FINE, USAGE
from collector.errors import CollectorError
from collector.export.files import unfinished
from collector.journal.writing import Journal
from tests.disks import mounted
from tests.program import Answer, Run, outcome, without_settings
from tests.running import Collector, own_environ, run_command
from tests.samples import ECU, arrival, day_times, frame, ns, versions, yc600

OTHER = "216000999999"
RECEIVED = ns("2026-06-23T10:00:00Z")
FORMS = ("csv", "parquet", "line-protocol")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a journal of two gateways and two days, and nothing in the environment."""
    monkeypatch.chdir(tmp_path)
    without_settings(monkeypatch)
    (tmp_path / "config.toml").write_text('[site]\ntimezone = "Europe/Amsterdam"\n')
    store(*(frame(time, yc600(), ecu=ecu) for ecu in (ECU, OTHER) for time in ("20260621120000", "20260622120000")))
    return tmp_path


def store(*frames: bytes) -> None:
    journal = Journal(Path("data/journal.db"))
    journal.append([arrival(raw, RECEIVED) for raw in frames])
    journal.close()


@pytest.fixture
def run(folder: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run the command; its exit code, output and errors."""
    assert Path.cwd() == folder

    def run(*arguments: str) -> Answer:
        return outcome(capfd, "export", *arguments)

    return run


def left(folder: Path) -> list[str]:
    """What there is besides journal and configuration."""
    return sorted(path.name for path in folder.iterdir() if path.name not in ("data", "config.toml"))


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


# What is there afterwards


def test_a_folder_gets_a_file_for_each_measurement_that_has_rows(folder: Path, run: Run) -> None:
    code, out, err = run("--format", "csv", "out")
    assert (code, err) == (FINE, "")
    assert out == "ecu: 4 rows\ninverter: 4 rows\nchannel: 8 rows\nevent: 2 rows\n"
    assert left(folder) == ["out"]
    assert left(folder / "out") == ["channel.csv", "ecu.csv", "event.csv", "inverter.csv"]


def test_line_protocol_goes_to_a_file_or_to_standard_output(folder: Path, run: Run) -> None:
    code, out, _ = run("--format", "line-protocol", "solar.lp")
    assert (code, out) == (FINE, "ecu: 4 rows\ninverter: 4 rows\nchannel: 8 rows\nevent: 2 rows\n")
    code, lines, err = run("--format", "line-protocol", "-")
    assert (code, err) == (FINE, out)
    assert lines == (folder / "solar.lp").read_text()
    assert lines.count("\n") == 18


def test_days_gateways_and_measurements_can_be_chosen(folder: Path, run: Run) -> None:
    code, out, _ = run(
        "--format", "csv", "--ecu", OTHER, "--from", "2026-06-22", "--to", "2026-06-22", "--measurements", "ecu", "one"
    )
    assert (code, out) == (FINE, "ecu: 1 rows\n")
    assert [(row["ecu"], row["time"]) for row in table(folder / "one" / "ecu.csv")] == [(OTHER, "2026-06-22T10:00:00Z")]
    code, out, _ = run("--format", "csv", "--ecu", OTHER, "--ecu", ECU, "--measurements", "ecu,event", "both")
    assert (code, out) == (FINE, "ecu: 4 rows\nevent: 2 rows\n")


def test_records_without_a_readable_gateway_leave_with_all_others(folder: Path, run: Run) -> None:
    store(versions("ECU_R_1.2.22", ecu="A--218ECU_R_"), b"no message")
    code, out, _ = run("--format", "csv", "--measurements", "event", "out")
    assert code == FINE
    assert "1 records are not understood; `collector status` says why" in out
    assert "unknown" in {row["ecu"] for row in table(folder / "out" / "event.csv")}


def test_an_empty_folder_is_taken(folder: Path, run: Run) -> None:
    (folder / "out").mkdir()
    assert run("--format", "csv", "out")[0] == FINE
    assert left(folder / "out") == ["channel.csv", "ecu.csv", "event.csv", "inverter.csv"]


def test_an_export_works_beside_the_service(folder: Path) -> None:
    with Collector(folder) as collector:
        assert collector.send(frame("20260623120000", yc600()) + b"\n")
        done = collector.run("export", "--format", "line-protocol", "--from", "2026-06-23", "-")
        assert (done.returncode, done.stdout.count("\n")) == (FINE, 4)
        assert collector.send(frame("20260623120500", yc600()) + b"\n")


# What is in the way


@pytest.mark.parametrize("form", FORMS)
def test_what_is_there_is_never_overwritten(folder: Path, run: Run, form: str) -> None:
    (folder / "file").write_text("mine")
    (folder / "full").mkdir()
    (folder / "full" / "mine").write_text("mine")
    (folder / "empty").mkdir()
    (folder / "link").symlink_to(folder / "empty")
    (folder / "dangling").symlink_to(folder / "nowhere")
    before = left(folder)
    for name in ("file", "full", "link", "dangling"):
        code, out, err = run("--format", form, name)
        assert (code, out) == (FINDING, "")
        assert err == f"collector: {folder / name} exists, and nothing is overwritten: name another one\n"
    assert left(folder) == before
    assert (folder / "file").read_text() == (folder / "full" / "mine").read_text() == "mine"


def test_what_comes_while_the_export_goes_on_is_not_overwritten_either(tmp_path: Path) -> None:
    out = tmp_path / "solar.lp"
    writing = unfinished(out, folder=False)
    writing.__enter__().write_text("new")
    out.write_text("mine")
    with pytest.raises(CollectorError, match="has come meanwhile"):
        writing.__exit__(None, None, None)
    assert left(tmp_path) == ["solar.lp"]
    assert out.read_text() == "mine"


def test_a_folder_that_fills_while_the_export_goes_on_stays_as_it_is(tmp_path: Path) -> None:
    out = tmp_path / "out"
    writing = unfinished(out, folder=True)
    (writing.__enter__() / "ecu.csv").write_text("new")
    out.mkdir()
    (out / "mine").write_text("mine")
    with pytest.raises(CollectorError, match="Directory not empty"):
        writing.__exit__(None, None, None)
    assert (left(tmp_path), left(out)) == (["out"], ["mine"])


def test_of_two_exports_to_one_place_the_second_leaves_the_first_alone(tmp_path: Path) -> None:
    first, second = (unfinished(tmp_path / "out", folder=True) for _ in range(2))
    place = first.__enter__()
    (place / "ecu.csv").write_text("new")
    with pytest.raises(CollectorError, match="of an export that goes on"):
        second.__enter__()
    first.__exit__(None, None, None)
    assert (left(tmp_path), left(tmp_path / "out")) == (["out"], ["ecu.csv"])


@pytest.mark.parametrize("form", FORMS)
def test_the_remains_of_another_export_are_left_to_the_owner(folder: Path, run: Run, form: str) -> None:
    (folder / "out.unfinished").mkdir()
    code, _, err = run("--format", form, "out")
    assert code == FINDING
    assert f"{folder / 'out.unfinished'} is of an export that goes on or was broken off: remove it" in err


def test_the_working_directory_is_not_replaced_under_its_user(
    folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "here").mkdir()
    (folder / "here" / "data").symlink_to(folder / "data")
    monkeypatch.chdir(folder / "here")
    assert run("--format", "csv", ".")[2].endswith("exists, and nothing is overwritten: name another one\n")
    (folder / "here" / "data").unlink()
    settings = folder / "config.toml"
    settings.write_text(f'[journal]\npath = "{folder / "data" / "journal.db"}"\n')
    code, _, err = run("--config", str(settings), "--format", "csv", ".")
    assert (code, err) == (
        FINDING,
        f"collector: {folder / 'here'} cannot be replaced while it is in use: name a folder in it\n",
    )


@pytest.mark.parametrize("form", FORMS)
def test_a_folder_that_is_missing_is_named(folder: Path, run: Run, form: str) -> None:
    code, _, err = run("--format", form, "missing/out")
    assert (code, err) == (
        FINDING,
        f"collector: there is no folder {folder / 'missing'}: make it, or name another one\n",
    )


@pytest.mark.parametrize("form", FORMS)
def test_an_unknown_gateway_is_told_with_those_that_there_are(folder: Path, run: Run, form: str) -> None:
    code, _, err = run("--format", form, "--ecu", "216000000000", "out")
    assert (code, err) == (
        FINDING,
        f"collector: the journal has no records of an ECU 216000000000, but of {ECU}, {OTHER}\n",
    )
    assert left(folder) == []


@pytest.mark.parametrize("form", FORMS)
def test_days_without_anything_are_no_export(folder: Path, run: Run, form: str) -> None:
    code, out, err = run("--format", form, "--ecu", ECU, "--from", "2027-01-01", "--to", "2027-12-31", "out")
    assert (code, out) == (FINDING, "")
    assert err == (
        f"collector: the journal has nothing of any measurement of ECU {ECU} from 2027-01-01 to 2027-12-31\n"
    )
    assert left(folder) == []


def test_without_a_journal_it_says_what_makes_one(folder: Path, run: Run) -> None:
    shutil.rmtree(folder / "data")
    code, _, err = run("--format", "csv", "out")
    assert (code, err) == (FINDING, "collector: there is no journal at data/journal.db: `collector run` makes it\n")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--format", "csv", "-"), "csv is a folder of files: name one instead of -"),
        (("--format", "parquet", "-"), "parquet is a folder of files: name one instead of -"),
        (("--format", "xlsx", "out"), "invalid choice: 'xlsx'"),
        (("--format", "csv", "--from", "2026-06-22", "--to", "2026-06-21", "out"), "is before --from"),
        (("--format", "csv", "--from", "yesterday", "out"), "'yesterday' is no day"),
        (("--format", "csv", "--measurements", "ecu,ecu_day", "out"), "'ecu_day' is none of ecu, inverter, channel"),
        (("--format", "csv", "--measurements", "output", "out"), "'output' is none of ecu, inverter, channel"),
        (("--format", "csv", "--measurements", "site", "out"), "'site' is none of ecu, inverter, channel"),
        (("out",), "--format"),
        (("--format", "csv"), "OUT"),
    ],
)
def test_a_mistaken_command_line_is_a_usage_error(
    folder: Path, run: Run, arguments: tuple[str, ...], complaint: str
) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (USAGE, "")
    assert complaint in err
    assert left(folder) == []


def test_parquet_without_pyarrow_says_how_to_get_it(folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "collector.export._parquet", raising=False)
    code, _, err = run("--format", "parquet", "out")
    assert code == FINDING
    assert f"{sys.executable} -m pip install 'apsystems-collector[parquet]'" in err
    assert left(folder) == []


# A broken-off export


@pytest.fixture
def tiny_disk(folder: Path) -> Iterator[Path]:
    """A file system of 128 kB."""
    with mounted(folder / "tiny", "128k") as place:
        yield place


@pytest.mark.parametrize("form", FORMS)
def test_everything_is_on_the_disk_before_it_has_its_name(
    folder: Path, run: Run, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, bool]] = []
    monkeypatch.setattr(disk, "sync", lambda path: synced.append((path.name, (folder / "out").exists())))
    assert run("--format", form, "--measurements", "ecu", "out")[0] == FINE
    inside = [] if form == "line-protocol" else [(path.name, False) for path in (folder / "out").iterdir()]
    assert sorted(synced[:-2]) == sorted(inside)
    assert synced[-2:] == [("out.unfinished", False), (folder.name, True)]


def store_days(days: int) -> None:
    for day in range(1, days + 1):
        store(*(frame(time, yc600(watts=(day, 0))) for time in day_times(date(2026, 5, day))))


@pytest.mark.parametrize("form", FORMS)
def test_a_full_disk_leaves_nothing_and_says_so(run: Run, tiny_disk: Path, form: str) -> None:
    store_days(15)
    (tiny_disk / "mine").write_bytes(bytes(100_000))
    code, out, err = run("--format", form, "tiny/out")
    assert (code, out) == (FINDING, "")
    assert err == f"collector: the disk is full: make room for {tiny_disk / 'out'}; nothing of it was kept\n"
    assert left(tiny_disk) == ["mine"]
    (tiny_disk / "mine").unlink()
    assert run("--format", form, "--measurements", "ecu", "--to", "2026-05-01", "tiny/out")[0] == FINE


def test_standard_output_on_a_full_disk_is_one_line(tiny_disk: Path) -> None:
    store_days(3)
    with (tiny_disk / "solar.lp").open("wb") as stream:
        done = subprocess.run(
            [sys.executable, "-m", "collector", "export", "--format", "line-protocol", "-"],
            env=own_environ(),
            stdout=stream,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stderr) == (FINDING, "collector: standard output: No space left on device\n")


@pytest.mark.usefixtures("folder")
def test_standard_output_that_nobody_reads_is_no_error() -> None:
    store_days(3)
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "collector", "export", "--format", "line-protocol", "-"],
            env=own_environ(),
            stdout=writing,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (FINE, b"")


@pytest.mark.usefixtures("own_signals")
@pytest.mark.parametrize(
    ("form", "number"),
    [*((form, signal.SIGINT) for form in FORMS), ("csv", signal.SIGTERM), ("csv", signal.SIGHUP)],
)
def test_an_interrupted_export_leaves_nothing(folder: Path, form: str, number: int) -> None:
    # So many that it takes a second or more.
    store_days(28)
    process = subprocess.Popen(
        [sys.executable, "-m", "collector", "export", "--format", form, "out"],
        env=own_environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        while process.poll() is None and not (folder / "out.unfinished").exists():
            Event().wait(0.001)
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, out, err) == (128 + number, "", "")
    assert left(folder) == []


def test_the_columns_are_those_of_the_readme(folder: Path) -> None:
    done = run_command("export", "--format", "csv", "out", folder=folder)
    assert done.returncode == FINE
    head = (folder / "out" / "channel.csv").read_text().splitlines()[0]
    assert head == (
        "time,ecu,inverter,inverter_name,model,channel,panel,array,power_w,voltage_v,current_a,energy_wh,peak_w"
    )
