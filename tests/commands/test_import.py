"""`collector import`: what it asks, reads, tells, keeps and takes back."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from collector.commands import _import_ema
from collector.commands.exit_codes import FINDING, FINE, USAGE
from tests.ema_service import APP_ID, SECRET, SYSTEM, EmaService, Site
from tests.ledger.books import Books
from tests.program import Run, without_settings
from tests.samples import ECU, UID, frame, yc600

CONFIG = '[site]\ntimezone = "Europe/Amsterdam"\n[ledger]\nenabled = true\n'
FIRST, LAST = date(2025, 1, 28), date(2025, 2, 3)
DAYS = [FIRST + timedelta(days=number) for number in range(7)]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory of its own, with a configuration and nothing in the environment."""
    monkeypatch.chdir(tmp_path)
    without_settings(monkeypatch)
    monkeypatch.setattr(_import_ema, "_wait", lambda _: None)
    (tmp_path / "config.toml").write_text(CONFIG)
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    return tmp_path


@pytest.fixture
def vendor() -> Iterator[EmaService]:
    kwh = {(UID, channel): dict.fromkeys(DAYS, 1 + channel / 10) for channel in (1, 2)}
    powers = {f"{UID}-{channel}": [100.0, 200.0, 100.0] for channel in (1, 2)}
    # The vendor has kept those of the last days alone.
    watts = {(ECU, day): (["11:55", "12:00", "12:05"], powers) for day in DAYS[3:]}
    with EmaService(Site({ECU: {UID: "YC600"}}, kwh, watts, create_date="2025-01-20")) as service:
        yield service


def ema(vendor: EmaService, *more: str) -> list[str]:
    span = ("--until", "2025-02-03")
    return ["import", "ema", "--app-id", APP_ID, "--secret-file", "secret", "--url", vendor.url, *span, *more]


def books() -> Books:
    return Books(Path("data/journal.db").absolute())


def kwh_by_day(run: Run) -> dict[str, float]:
    """What the ledger has of the gateway, counted up to now."""
    books().count()
    _, out, _ = run("ledger", "--json")
    (gateway,) = json.loads(out)["ecus"]
    return {day["day"]: day["ac_kwh"] for day in gateway["days"]}


def test_the_vendors_days_are_in_the_ledger_and_nothing_is_asked_for_twice(run: Run, vendor: EmaService) -> None:
    code, out, err = run(*ema(vendor, "--system", SYSTEM))
    assert (code, err) == (FINE, "")
    assert f'[[ecu]]\nid = "{ECU}"' in out
    assert f'[[inverter]]\nid = "{UID}"  # YC600' in out
    assert "2 calls for energies of days, at most 15 for powers" in out
    # Three for the devices, two months, four days with powers and two without.
    assert f"{len(vendor.asked)} calls were made" in out
    assert len(vendor.asked) == 3 + 2 + 4 + 2
    assert [path[-10:] for path in vendor.asked[5:]] == [
        *("2025-02-03", "2025-02-02", "2025-02-01", "2025-01-31", "2025-01-30", "2025-01-29")
    ]
    assert kwh_by_day(run) == {day.isoformat(): pytest.approx(2.3, abs=1e-9) for day in DAYS}
    listing = [line.split() for line in run("import", "list")[1].splitlines()]
    assert ["power,", "6", "answers", ECU, "2025-01-31", "2025-02-03"] in listing
    before = books().account()
    vendor.asked.clear()
    code, out, _ = run(*ema(vendor))
    assert (code, len(vendor.asked)) == (FINE, 3)
    assert "0 calls for energies of days, at most 0 for powers" in out
    books().count()
    assert books().account() == before


def test_a_dry_run_asks_for_the_devices_alone_and_keeps_no_day(run: Run, vendor: EmaService) -> None:
    code, out, _ = run(*ema(vendor, "--system", SYSTEM, "--dry-run", "--budget", "10"))
    assert (code, len(vendor.asked)) == (FINE, 3)
    assert "7 calls are left of this run's budget; at 1000 a month, all of it takes up to 1 month" in out
    assert kwh_of_list(run) == {}


def kwh_of_list(run: Run) -> dict[str, float]:
    _, out, _ = run("import", "list", "--json")
    return {ecu: one["kwh"] for ecu, one in json.loads(out)["ecus"].items()}


@pytest.mark.parametrize("limit", ["quota", "budget"])
def test_where_calls_are_used_up_the_next_run_goes_on(run: Run, vendor: EmaService, limit: str) -> None:
    if limit == "quota":
        vendor.quota = 6
    code, out, err = run(*ema(vendor, "--system", SYSTEM, "--budget", "6"))
    assert code == FINDING
    assert "used up" in err
    assert "6 calls were made; what they brought is kept" in out or "7 calls were made" in out
    vendor.quota, vendor.asked = 100, []
    assert run(*ema(vendor))[0] == FINE
    assert len(vendor.asked) == 3 + 5
    assert kwh_of_list(run) == {ECU: pytest.approx(7 * 2.3)}


def test_a_busy_service_is_asked_again_and_then_left_alone(run: Run, vendor: EmaService) -> None:
    vendor.faults = [7001, 7002]
    assert run(*ema(vendor, "--system", SYSTEM, "--dry-run"))[0] == FINE
    vendor.faults = [7001, 7002, 7003]
    code, _, err = run(*ema(vendor, "--dry-run"))
    assert code == FINDING
    assert "busy; the same command goes on later" in err


def test_what_the_vendor_refuses_says_what_to_do(run: Run, vendor: EmaService, folder: Path) -> None:
    code, _, err = run(*ema(vendor))
    assert (code, err) == (
        FINDING,
        "collector: say by --system which one: the portal shows the id of your system with its data\n",
    )
    code, _, err = run(*ema(vendor, "--system", "ANOTHER"))
    assert code == FINDING
    assert "code 4000" in err
    assert "--system" in err
    (folder / "secret").write_text("")
    code, _, err = run(*ema(vendor, "--system", SYSTEM))
    wanted = "--secret-file names a text file that you make, with the App Secret in it and nothing else\n"
    assert (code, err) == (FINDING, f"collector: secret: this is not the secret; {wanted}")
    (folder / "secret").unlink()
    assert run(*ema(vendor, "--system", SYSTEM))[2] == f"collector: secret: No such file or directory; {wanted}"


def test_days_of_the_gateways_own_are_not_asked_for(run: Run, vendor: EmaService, folder: Path) -> None:
    (folder / "data").mkdir()
    books().store(*(frame(f"{day:%Y%m%d}120000", yc600()) for day in DAYS[4:]))
    assert run(*ema(vendor, "--system", SYSTEM))[0] == FINE
    # Not February, and not the days that the gateway has sent.
    assert [path.rpartition("=")[2] for path in vendor.asked[3:]] == [
        "2025-01",
        "2025-01-31",
        "2025-01-30",
        "2025-01-29",
    ]


@pytest.mark.slow
def test_a_process_that_is_killed_between_answers_loses_none_of_them(run: Run, vendor: EmaService) -> None:
    asked = threading.Event()
    answer = vendor.answer

    def slowly(path: str, headers: dict[str, str]) -> dict[str, object]:
        if len(vendor.asked) == 7:
            asked.set()
            # It never learns of this one.
            os.kill(process.pid, signal.SIGKILL)
        return answer(path, headers)

    vendor.answer = slowly  # type: ignore[method-assign, assignment]
    process = subprocess.Popen([sys.executable, "-m", "collector", *ema(vendor, "--system", SYSTEM)])
    assert process.wait() == -signal.SIGKILL
    assert asked.is_set()
    vendor.answer = answer  # type: ignore[method-assign]
    vendor.asked.clear()
    assert run(*ema(vendor))[0] == FINE
    assert len(vendor.asked) == 3 + (2 + 4 + 2) - 4
    assert kwh_of_list(run) == {ECU: pytest.approx(7 * 2.3)}


def test_files_are_read_listed_and_taken_back(run: Run, folder: Path) -> None:
    (folder / "days.csv").write_text("Date,Energy(kWh)\n2025-02-01,3.5\n2025-02-02,4.25\n")
    (folder / "Power Curve 2025-02-01.csv").write_text("time,Power(W)\n12:00,900\n12:05,1000\n")
    place = ("--place", ECU, "--ecu", ECU)
    code, out, err = run("import", "files", "days.csv", "Power Curve 2025-02-01.csv", *place)
    assert (code, err) == (FINE, "")
    assert "days.csv: 2 days, 2025-02-01 to 2025-02-02" in out
    assert "the ledger follows while `collector run` runs" in out
    assert kwh_by_day(run) == {"2025-02-01": 3.5, "2025-02-02": 4.25}
    code, out, _ = run("import", "list")
    assert code == FINE
    assert "days.csv" in out
    assert f"ECU {ECU}: 2 days count, 7.750 kWh; 0 more are its own" in out
    assert "on 1 day energies and powers are more than 10 % apart, the last is 2025-02-01" in out
    assert "2 of 2 were here already" in run("import", "files", "days.csv", "Power Curve 2025-02-01.csv", *place)[1]
    assert run("import", "remove", "9")[2] == "collector: there is no number 9: `collector import list` shows them\n"
    assert run("import", "remove")[0] == run("import", "remove", "1", "--all")[0] == USAGE
    assert run("import", "remove", "--kind", "power")[2] == "collector: nothing of it was brought along\n"
    assert run("import", "remove", "--all")[:2] == (
        FINE,
        "2 taken back\nthe ledger follows while `collector run` runs\n",
    )
    books().count()
    assert run("import", "list")[1] == "nothing was brought along\n"
    assert books().account() == ({}, {}, {})


@pytest.mark.parametrize(
    ("content", "place", "said"),
    [
        ("2025-02-01,abc\n", (ECU, "--ecu", ECU), "line 1: 'abc' is no number"),
        ("2025-02,300\n2025-03,310\n", (ECU, "--ecu", ECU), "energies of months can't be divided"),
        ("12:00,900\n", (ECU, "--ecu", ECU), "times without a date"),
        ("2925-03-29\n12:00,900\n", (ECU, "--ecu", ECU), "times without a date"),
        ("2025-02-01,1\n", ("roof",), "'roof' is no place"),
        ("2025-02-01,1\n", ("site",), "no ECU is known yet"),
        ("2025-02-01,1\n", ("site", "--ecu", "21600000000"), "--ecu '21600000000' is no ECU: it has 12 digits"),
        ("2025-02-01,1\n", ("site", "--ecu", ""), "--ecu '' is no ECU"),
        ("2025-02-01,1\n", (f"{UID}/1", "--ecu", "roof"), "--ecu 'roof' is no ECU"),
        ("2025-02-01,1\n", (ECU,), f"if it is one, say `--ecu {ECU}` too"),
        ("PK\x03\x04", (ECU, "--ecu", ECU), "this is a spreadsheet"),
        ("2125-02-01,1\n", (ECU, "--ecu", ECU), "2125-02-01 is still to come: is the year right"),
        ("2025-02-01,1\n2025-02-02,12001\n", (ECU, "--ecu", ECU), "2025-02-02 has 12,001 kWh"),
    ],
)
def test_what_can_not_be_taken_is_told_with_its_line_and_a_remedy(
    run: Run, folder: Path, content: str, place: tuple[str, ...], said: str
) -> None:
    (folder / "file.csv").write_text(content)
    code, _, err = run("import", "files", "file.csv", "--place", *place)
    assert code in (USAGE, FINDING)
    assert said in err
    assert run("import", "list")[1] == "nothing was brought along\n"


def test_all_that_is_wrong_with_a_file_is_told_at_once_but_no_more_than_ten_lines_of_it(run: Run, folder: Path) -> None:
    bad = ["2025-02-01,abc", "2025-02-02,1", "2025-02-30,1", "2025-02-03,-4", "2025-02-04,1,2", "2025/13/01,1"]
    (folder / "some.csv").write_text("\n".join(bad))
    (folder / "many.csv").write_text("".join(f"2025-01-{day:02},abc\n" for day in range(1, 32)))
    code, _, err = run("import", "files", "some.csv", "many.csv", "--place", ECU, "--ecu", ECU)
    assert code == USAGE
    lines = err.splitlines()
    assert [line.partition("csv: ")[2][:7] for line in lines[:5]] == [f"line {number}:" for number in (1, 3, 4, 5, 6)]
    assert [line.partition("csv: ")[2][:7].rstrip(":") for line in lines[5:15]] == [
        f"line {number}" for number in range(1, 11)
    ]
    assert lines[15:] == ["collector: many.csv: and 21 more", "collector: nothing was taken, of no file"]


def test_all_that_is_wrong_with_a_curve_is_told_at_once(run: Run, folder: Path) -> None:
    (folder / "Power Curve 2025-02-01.csv").write_text("12:00,900\n12:05,x\n12:75,900\n12:10,1,2\n")
    _, _, err = run("import", "files", "Power Curve 2025-02-01.csv", "--place", ECU, "--ecu", ECU)
    assert [line.partition("csv: ")[2][:7] for line in err.splitlines()[:3]] == ["line 2:", "line 3:", "line 4:"]


def test_rising_energies_that_are_taken_for_a_counter_say_so(run: Run, folder: Path) -> None:
    (folder / "march.csv").write_text("date,kWh\n" + "".join(f"2025-03-{day:02},{day}.5\n" for day in range(1, 31)))
    place = ("--place", ECU, "--ecu", ECU)
    _, out, _ = run("import", "files", "march.csv", *place)
    assert "29 days, 2025-03-02 to 2025-03-30\n  read as a counter" in out
    assert "say `--kind daily`" in out
    assert run("import", "remove", "--all")[0] == FINE
    _, out, _ = run("import", "files", "march.csv", *place, "--kind", "daily")
    assert "30 days, 2025-03-01 to 2025-03-30\nthe ledger" in out


def test_what_is_no_kind_and_no_number_is_told_in_plain_words(run: Run) -> None:
    for arguments, said in (
        (("files", "march.csv", "--place", "site", "--kind", "weekly"), "'weekly' is none of daily, monthly, lifetime"),
        (("remove", "march.csv"), "'march.csv' is no number as `collector import list` shows them"),
    ):
        code, _, err = run("import", *arguments)
        assert (code, said in err) == (USAGE, True)


def test_an_unknown_ecu_is_one_where_it_is_named_as_such(run: Run, folder: Path) -> None:
    (folder / "file.csv").write_text("2025-02-01,1\n")
    assert run("import", "files", "file.csv", "--place", "216000000099", "--ecu", "216000000099")[0] == FINE
    (known,) = json.loads(run("import", "list", "--json")[1])["ecus"]
    assert known == "216000000099"
    # Of another one that is not known it is not taken as an inverter.
    assert run("import", "files", "file.csv", "--place", "216000000098")[0] == FINDING


def test_a_file_of_a_site_with_several_gateways_is_refused(run: Run, folder: Path) -> None:
    (folder / "config.toml").write_text(f'{CONFIG}[[ecu]]\nid = "{ECU}"\n[[ecu]]\nid = "216000000002"\n')
    (folder / "file.csv").write_text("2025-02-01,1\n")
    code, _, err = run("import", "files", "file.csv", "--place", "site")
    assert code == FINDING
    assert "the site has several ECUs" in err
    assert run("import", "files", "file.csv", "--place", ECU)[0] == FINE
    assert "say by `--ecu`" in run("import", "files", "file.csv", "--place", f"{UID}/1")[2]
    assert run("import", "files", "file.csv", "--place", f"{UID}/1", "--ecu", ECU)[0] == FINE
