"""`collector compare` as an owner meets it, with a journal that a simulated gateway has filled."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from collector.commands.exit_codes import FINDING, FINE, USAGE
from collector.journal.writing import Journal
from tests.conftest import Influx
from tests.program import Answer, Run, outcome, without_settings
from tests.running import Collector
from tests.samples import ECU, arrival, frame, ns, yc600

SETTINGS = '[site]\nname = "Home"\ntimezone = "Europe/Amsterdam"\nlatitude = 52.1\nlongitude = 5.2\n'
DAY = timedelta(days=1)
FIRST = date(2026, 6, 1)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory of one's own, and nothing in the environment."""
    monkeypatch.chdir(tmp_path)
    without_settings(monkeypatch)
    (tmp_path / "config.toml").write_text('[site]\ntimezone = "Europe/Amsterdam"\n')
    return tmp_path


@pytest.fixture
def run(folder: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run the command; its exit code, output and errors."""
    assert Path.cwd() == folder

    def run(*arguments: str) -> Answer:
        return outcome(capfd, "compare", *arguments)

    return run


def store_days(count: int, *, ecu: str = ECU) -> dict[date, float]:
    """A journal with two readings of each day, and the AC energies (Wh) of the days."""
    energies = {}
    frames = []
    for number in range(count):
        day, dc_wh = FIRST + number * DAY, 100.0 + 37 * (number * number % 11)
        # Nothing was sent that fits, so the AC power of the record tells the share.
        inverter = yc600(watts=(240, 230), wh=(dc_wh / 4, dc_wh / 4), ac_power_w=0.94 * 470)
        frames += [frame(f"{day:%Y%m%d}{time}", inverter, ecu=ecu) for time in ("110000", "120000")]
        energies[day] = 0.94 * dc_wh
    journal = Journal(Path("data/journal.db"))
    journal.append([arrival(raw, ns("2026-08-01T10:00:00Z")) for raw in frames])
    journal.close()
    return energies


def write(energies_wh: dict[date, float], factor: float = 1.0, header: str = "Date,kWh") -> None:
    lines = [f"{day},{factor * wh / 1000:.6f}" for day, wh in energies_wh.items()]
    Path("meter.csv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")


def test_a_meter_that_agrees_is_fine(run: Run) -> None:
    write(store_days(12))
    code, out, err = run("meter.csv")
    assert (code, err) == (FINE, "")
    assert "meter.csv: energies of days (`--kind` says otherwise), 12 of 12 are here as a whole" in out
    assert "ours: AC energy, from the journal's records" in out
    assert "agrees within 2%" in out
    assert "reason" not in out
    assert len([line for line in out.splitlines() if line.strip().startswith("2026-06-")]) == 12


def test_days_that_agree_but_for_some_are_a_finding(run: Run) -> None:
    energies = store_days(12)
    write(energies | {FIRST: 0.0, FIRST + DAY: 0.0})
    code, out, _ = run("meter.csv")
    assert code == FINDING
    assert "most days agree, the sum does not: look at the days that are far from it" in " ".join(out.split())


def test_a_file_that_counts_dc_is_a_finding_with_its_reason(run: Run) -> None:
    write(store_days(12), 1 / 0.94)
    code, out, _ = run("meter.csv")
    assert code == FINDING
    assert "middle ratio 1.064, nine of ten from 1.06" in out
    assert "reason: DC for AC: the file is 1.064 times our AC energy" in out


def test_what_is_missing_on_either_side_is_shown_and_runs_of_it_in_one_line(run: Run) -> None:
    energies = store_days(12)
    del energies[FIRST + 5 * DAY]
    write({FIRST - number * DAY: 50.0 for number in range(10, 0, -1)} | energies)
    code, out, _ = run("meter.csv")
    assert code == FINE
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "2026-05-22 to 2026-05-31 0.500 missing here, 10 days" in lines
    assert any(line.startswith("2026-06-06 ") and line.endswith("missing there") for line in lines)


def test_machines_get_the_same_as_json(run: Run) -> None:
    energies = store_days(12)
    write(energies, 1 / 0.94)
    code, out, _ = run("meter.csv", "--json")
    said = json.loads(out)
    assert code == FINDING
    assert (said["kind"], said["source"], said["ecus"], said["basis"]) == ("daily", "journal", [ECU], "AC")
    assert said["agrees"] is False
    assert said["median_ratio"] == pytest.approx(1 / 0.94, abs=0.001)
    assert len(said["rows"]) == 12
    assert said["rows"][0]["first"] == "2026-06-01"
    assert said["rows"][0]["ac_wh"] == pytest.approx(energies[FIRST], abs=0.01)
    assert said["reasons"][0].startswith("DC for AC")


def test_one_of_several_gateways_can_be_chosen(run: Run) -> None:
    energies = store_days(12)
    store_days(12, ecu="216000999999")
    write(energies)
    code, out, _ = run("meter.csv")
    assert code == FINDING
    assert f"with our energy of ECU {ECU} alone: `--ecu {ECU}` compares these" in out
    assert run("meter.csv", "--ecu", ECU)[0] == FINE
    code, _, err = run("meter.csv", "--ecu", "216")
    assert (code, err) == (
        FINDING,
        f"collector: the journal has no records of an ECU 216, but of {ECU}, 216000999999\n",
    )


def test_the_kind_of_the_figures_can_be_said(run: Run) -> None:
    energies = store_days(12)
    counter, lines = 5000.0, ["2026-05-31;5000"]
    for day, wh in energies.items():
        counter += wh / 1000
        lines.append(f"{day};{counter:.6f}")
    Path("meter.csv").write_text("\n".join(lines))
    code, out, _ = run("meter.csv")
    assert code == FINE
    assert "readings of a counter" in out
    assert run("meter.csv", "--kind", "lifetime")[:2] == (code, out)
    assert run("meter.csv", "--kind", "daily")[0] == FINDING
    assert run("meter.csv", "--kind", "weekly")[0] == USAGE


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"Date,kWh\n2026-06-01,1\n2026-06-02,one\n", "line 3: 'one' is no number"),
        (b"PK\x03\x04", "this is a spreadsheet: open it in a spreadsheet program and save it as CSV"),
        (b"", "no line has a date and an energy"),
    ],
)
def test_a_file_that_can_not_be_read_is_wrong_usage(folder: Path, run: Run, data: bytes, said: str) -> None:
    (folder / "portal.csv").write_bytes(data)
    code, out, err = run("portal.csv")
    assert (code, out) == (USAGE, "")
    assert err.startswith(f"collector: portal.csv: {said}")
    assert err.count("\n") == 1


def test_a_file_that_is_not_there_is_wrong_usage(run: Run) -> None:
    assert run("none.csv") == (USAGE, "", "collector: none.csv: No such file or directory\n")
    assert run("/dev/zero")[2] == "collector: /dev/zero: it has more than 32 MiB, which is no table of days\n"
    assert run(".")[2] == "collector: .: Is a directory\n"


def test_without_a_journal_the_way_to_one_is_told(run: Run) -> None:
    write({FIRST: 100.0})
    code, _, err = run("meter.csv")
    assert (code, err) == (FINDING, "collector: there is no journal at data/journal.db: `collector run` makes it\n")


def test_nothing_in_common_is_no_comparison(run: Run) -> None:
    store_days(2)
    write({FIRST - 100 * DAY: 5.0})
    code, out, _ = run("meter.csv")
    assert code == USAGE
    assert "nothing to compare: no day of the file is here with an energy" in out


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Collector]:
    with Collector(tmp_path, SETTINGS) as collector:
        yield collector


@pytest.mark.slow
def test_the_days_of_a_simulated_roof_are_what_a_meter_behind_it_counts(running: Collector) -> None:
    first, second, control = map(str, running.ports)
    ports = ("--data-port", first, "--data-port", second, "--control-port", control)
    simulated = running.run("simulate", "--from", "2026-06-01", "--to", "2026-06-03", *ports)
    assert simulated.returncode == FINE, simulated.stderr
    export = running.run("export", "--format", "line-protocol", "--measurements", "inverter", "-")
    sums: dict[str, float] = {}
    for line in export.stdout.splitlines():
        fields = dict(pair.split("=") for pair in line.split(" ")[1].split(","))
        day = date.fromordinal(date(1970, 1, 1).toordinal() + (int(line.split(" ")[2]) // 10**9 + 7200) // 86400)
        sums[f"{day}"] = sums.get(f"{day}", 0.0) + float(fields["ac_energy_wh"])
    assert len(sums) == 3
    file = running.folder / "meter.csv"
    file.write_text(
        "Zeit;Energie (kWh)\n" + "".join(f"{day};{wh / 1000:.3f}\n".replace(".", ",") for day, wh in sums.items())
    )
    done = running.run("compare", str(file), "--json")
    said = json.loads(done.stdout)
    assert (done.returncode, said["agrees"], said["reasons"]) == (FINE, True, [])
    assert said["median_ratio"] == pytest.approx(1, abs=0.001)
    assert [row["ratio"] for row in said["rows"]] == pytest.approx([1] * 3, abs=0.002)


def test_with_an_influxdb_its_roll_ups_are_what_is_compared(influx: Influx, folder: Path, run: Run) -> None:
    settings = "".join(f'{key} = "{value}"\n' for key, value in influx.settings.items())
    (folder / "config.toml").write_text(f'[site]\ntimezone = "Europe/Amsterdam"\n[influxdb]\n{settings}')
    influx.api.create_bucket(influx.rollup_bucket)
    energies = {FIRST + number * DAY: 1000.0 + 377 * (number * number % 11) for number in range(12)}
    midnights = {day: ns(f"{day - DAY}T22:00:00Z") for day in energies}
    influx.api.write(
        influx.rollup_bucket,
        "\n".join(
            f"ecu_day,ecu={ECU},ecu_name=Roof energy_wh={wh / 0.94},ac_energy_wh={wh},inverters=4i {midnights[day]}"
            for day, wh in energies.items()
        ),
    )
    write(energies, 1.25)
    code, out, err = run("meter.csv")
    assert (code, err) == (FINDING, "")
    assert "ours: AC energy, from the daily roll-ups in InfluxDB" in out
    assert "as 5 inverters are to the 4 here" in out
    write(energies)
    assert run("meter.csv", "--ecu", ECU)[0] == FINE
    code, _, err = run("meter.csv", "--ecu", "216")
    assert (code, err) == (FINDING, "collector: InfluxDB has no day of an ECU 216 from 2026-06-01 to 2026-06-12\n")


def test_an_influxdb_that_does_not_answer_is_told(folder: Path, run: Run) -> None:
    (folder / "config.toml").write_text(
        '[influxdb]\nurl = "http://127.0.0.1:9"\norg = "home"\ntoken = "secret-token"\n'
    )
    write({FIRST: 100.0})
    code, _, err = run("meter.csv")
    assert code == FINDING
    assert err.startswith("collector: ")
    assert "secret-token" not in err
