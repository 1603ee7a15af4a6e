"""`collector mirror --check`: where the cloud is and what waits, and nothing is sent."""

import contextlib
import time
from pathlib import Path

import pytest

from collector.clock.stamps import NS
from collector.journal.mirroring import Outcome, begin, next_parcel, note, note_command, take_in
from collector.journal.reading import JournalReader
from collector.journal.writing import Journal
from tests.outputs.cloud import Cloud
from tests.program import Run, without_settings
from tests.running import write_config
from tests.samples import ECU, arrival, frame, yc600


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    without_settings(monkeypatch)


def configured(folder: Path, cloud: Cloud, more: str = "") -> str:
    return str(write_config(folder, f'[journal]\npath = "{folder}/journal.db"\n{cloud.settings}{more}'))


def stored(folder: Path, *, tried: bool = False) -> None:
    """Two records of a gateway, of which the one that was `tried` failed; and a command that came."""
    now = time.time_ns()
    with contextlib.closing(Journal(folder / "journal.db")) as journal:
        journal.open()
        begin(journal, "now", now)
        journal.append([arrival(frame(f"202606211240{second:02d}", yc600()), now + 1) for second in (1, 2)])
        if not tried:
            return
        take_in(journal)
        with JournalReader(journal.path) as reader:
            parcel = next_parcel(reader, ECU, 0, now, pushes=True)
        assert parcel is not None
        note(journal, parcel, Outcome(fault="silent"), now)
        note_command(journal, ECU, 8995, "A110", b"APS13AAA57A110", 1_800_000_000 * NS)


def test_it_says_where_the_cloud_is_and_sends_nothing(tmp_path: Path, run: Run) -> None:
    stored(tmp_path)
    with Cloud() as cloud:
        code, out, err = run("mirror", "--check", "--config", configured(tmp_path, cloud))
        assert (code, err) == (0, "")
        assert out.splitlines() == [
            "the vendor's cloud: 127.0.0.1",
            *(f"  port {port}: open" for port in cloud.ports),
            "nothing was looked at yet: 2 records would wait",
            "the vendor has sent nothing but acknowledgements",
        ]
    assert cloud.frames == []


def test_it_says_what_waits_what_was_refused_and_what_the_vendor_tried(tmp_path: Path, run: Run) -> None:
    stored(tmp_path, tried=True)
    with Cloud() as cloud:
        code, out, _ = run("mirror", "--check", "--config", configured(tmp_path, cloud, 'control = "none"\n'))
    assert code == 0
    assert ": 2 records wait\n  1 of them were not acknowledged so far, at last: silent\n" in out
    assert "  nothing goes to the control port\n" in out
    assert (
        f"the vendor tried to limit the power of inverters (A110, ECU {ECU}, port 8995, 1 times, last"
        " 2027-01-15T08:00:00Z): b'APS13AAA57A110'\n"
    ) in out


def test_a_port_that_is_closed_is_a_finding(tmp_path: Path, run: Run) -> None:
    stored(tmp_path)
    with Cloud() as cloud:
        config = configured(tmp_path, cloud)
    code, out, err = run("mirror", "--check", "--config", config)
    assert (code, err) == (1, "")
    assert f"port {cloud.ports[0]}: nothing listens at 127.0.0.1, port {cloud.ports[0]}" in out


def test_switched_off_it_says_what_it_would_do_and_how_it_is_switched_on(tmp_path: Path, run: Run) -> None:
    stored(tmp_path)
    with Cloud() as cloud:
        config = configured(tmp_path, cloud)
        Path(config).write_text(Path(config).read_text().replace("enabled = true", "enabled = false"))
        code, out, err = run("mirror", "--check", "--config", config)
    assert code == 1
    assert out.startswith(
        "the mirror is off: nothing is sent. This is what it would do:\nthe vendor's cloud: 127.0.0.1"
    )
    assert err == "collector: the mirror is off: `enabled = true` under [mirror] in config.toml switches it on\n"


def test_an_address_that_is_refused_is_a_finding(tmp_path: Path, run: Run) -> None:
    stored(tmp_path)
    config = write_config(
        tmp_path,
        f'[journal]\npath = "{tmp_path}/journal.db"\n[mirror]\nenabled = true\naddress = "127.0.0.1"\n',
        ports=(8995, 8996, 8997),
    )
    code, out, _ = run("mirror", "--check", "--config", str(config))
    assert code == 1
    assert "mirror.address is this collector itself, 127.0.0.1: name the address of the vendor's cloud" in out
