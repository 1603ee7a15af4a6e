"""`collector decode`: frames in, one JSON line a frame out, whatever the frame is."""

import contextlib
import json
import math
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from collector.cli import main
from collector.commands.exit_codes import FINDING, FINE, USAGE
from collector.journal.writing import Journal
from collector.protocol.blocks import Channel
from collector.protocol.upload import LateGroup
from tests.program import Run
from tests.protocol.helpers import captured
from tests.running import own_environ
from tests.samples import ECU, TIME, TIME_UTC, UID, control, frame, optimizer, qs1, yc600

Decode = Callable[..., list[dict[str, Any]]]

CONFIG = f"""
[site]
timezone = "Europe/Amsterdam"
[[ecu]]
id = "{ECU}"
name = "Roof"
[[inverter]]
id = "{UID}"
name = "Attic"
panels = [{{ channel = 1, name = "South 1", array = "South", peak_w = 400 }}]
"""


@pytest.fixture
def decode(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Decode:
    """Run the command on a file of these lines."""
    monkeypatch.chdir(tmp_path)
    for name in ("COLLECTOR_CONFIG", "TZ", "INFLUXDB_URL"):
        monkeypatch.delenv(name, raising=False)

    def run(*lines: bytes, arguments: Sequence[str] = ()) -> list[dict[str, Any]]:
        frames = tmp_path / "frames.txt"
        frames.write_bytes(b"".join(line + b"\n" for line in lines))
        assert main(["decode", str(frames), *arguments]) == FINE
        out, err = capsys.readouterr()
        assert err == ""
        return [json.loads(line) for line in out.splitlines()]

    return run


def of(result: dict[str, Any], measurement: str) -> list[dict[str, Any]]:
    return [point for point in result["points"] if point["measurement"] == measurement]


def test_a_record_has_its_time_as_sent_and_its_points_in_utc(decode: Decode) -> None:
    (found,) = decode(frame(TIME, yc600()))
    assert list(found) == ["kind", "ecu", "time", "points", "problems"]
    assert (found["kind"], found["ecu"], found["time"], found["problems"]) == ("record", ECU, TIME, [])
    assert [point["measurement"] for point in found["points"]] == ["ecu", "inverter", "channel", "channel"]
    # Without a configuration the clock is taken for UTC, and names are ids.
    assert found["points"][2] == {
        "measurement": "channel",
        "tags": {
            "ecu": ECU,
            "inverter": UID,
            "inverter_name": UID,
            "model": "YC600",
            "channel": "1",
            "panel": f"{UID}-1",
            "array": ECU,
        },
        "fields": {"power_w": 24.0, "voltage_v": 34.1, "current_a": 0.7, "energy_wh": 2.041},
        "time": "2026-06-21T12:40:00Z",
    }


def test_names_and_zone_come_from_the_configuration(decode: Decode, tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(CONFIG)
    (found,) = decode(frame(TIME, yc600()), arguments=("--config", str(tmp_path / "site.toml")))
    assert {point["time"] for point in found["points"]} == {TIME_UTC}
    assert of(found, "ecu")[0]["tags"]["ecu_name"] == "Roof"
    first = of(found, "channel")[0]
    assert (first["tags"]["panel"], first["tags"]["array"], first["fields"]["peak_w"]) == ("South 1", "South", 400)


def test_comments_and_blank_lines_are_passed_over_and_line_ends_are_no_matter(decode: Decode) -> None:
    record = frame(TIME, yc600())
    found = decode(b"# a comment", b"", b"   ", record, record + b"\r", b"#", record)
    assert len(found) == 3
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    ("raw", "kind", "problem"),
    [
        (b"rubbish", "unknown", "no time stamp"),
        (b"\x16\x03\x01\x02\x00\xff\xfe", "unknown", "no time stamp"),
        (b"GET / HTTP/1.1", "unknown", "no time stamp"),
        (b"{", "unknown", "no time stamp"),
        (b"APS18", "unknown", "no time stamp"),
        (frame("20260230120000", yc600()), "record", "is not a date"),
        (control("A111", "000020260621120000"), "refused", "A111 is no message of a gateway"),
        (control("A101", "A10100000000000000")[:-1], "unknown", "without its END"),
    ],
)
def test_rubbish_is_told_and_gives_no_measurements(decode: Decode, raw: bytes, kind: str, problem: str) -> None:
    (found,) = decode(raw)
    assert found["kind"] == kind
    assert any(problem in text for text in found["problems"])
    assert [point for point in found["points"] if point["measurement"] != "event"] == []


def test_a_block_that_is_not_understood_is_told_beside_the_ones_that_are(decode: Decode) -> None:
    odd = "703000000001" + "31" + "230" * 7
    (found,) = decode(frame(TIME, yc600(), broken=(odd,)))
    assert len(of(found, "channel")) == 2
    assert any(odd in text for text in found["problems"])


def test_what_a_report_about_an_unknown_model_needs_is_said_with_the_bytes(decode: Decode) -> None:
    three = yc600("703000000001")._replace(
        model="type 31", channels=(*yc600().channels, Channel(3, 20.0, 34, 0.6, 1.7))
    )
    raw = frame(TIME, yc600(), three, three._replace(uid="703000000002"))
    (found,) = decode(raw)
    assert {point["tags"]["model"] for point in of(found, "inverter")} == {"YC600", "type 31"}
    assert found["problems"] == []
    assert found["report"].startswith("type 31, read as 3 DC inputs, is no known model: report this line, with ")
    for wanted in ("name on the inverter's label", "number of DC inputs", "AC power", "CONTRIBUTING.md"):
        assert wanted in found["report"]
    assert found["raw"].encode() == raw
    odd = "703000000001" + "31" + "230" * 7
    (found,) = decode(frame(TIME, yc600(), broken=(odd,)))
    assert found["report"].startswith("a block of an inverter is not understood: report this line")
    assert odd in found["raw"]


def test_an_inverter_of_a_known_model_asks_for_no_report(decode: Decode) -> None:
    late = LateGroup("20260621120000", (yc600(),))
    assert "report" not in decode(frame(TIME, qs1(), late=(late,)))[0]
    late = LateGroup("20260621120000", (yc600()._replace(model="type 31"),))
    assert "type 31" in decode(frame(TIME, qs1(), late=(late,)))[0]["report"]


def test_a_question_of_the_gateway_has_no_points_and_no_problem(decode: Decode) -> None:
    (night, poll) = decode(f"APS13AAA22{ECU}".encode(), f"APS1300051A101AAA0{ECU}A10100000000000000END".encode())
    assert (night["kind"], night["points"], night["problems"]) == ("record-query", [], [])
    assert (poll["kind"], poll["points"], poll["problems"]) == ("poll", [], [])


def test_an_optimizers_record_in_json_is_decoded(decode: Decode) -> None:
    inner = frame(TIME, optimizer(), version=16, lifetime_kwh=None)
    (found,) = decode(b'{"F":"0","EST":"20260621124000","APS":"' + inner + b'"}')
    assert (found["kind"], found["time"]) == ("record", TIME)
    assert of(found, "optimizer")[0]["fields"]["output_power_w"] == 217.8


def test_the_captured_record_of_two_inverters_has_the_verified_values(decode: Decode) -> None:
    (_, raw), *_ = captured("upload.txt")
    (found,) = decode(raw.encode())
    assert found["problems"] == []
    assert of(found, "ecu")[0]["fields"] == {
        "power_w": 190.0,
        "ac_power_w": pytest.approx(0.94 * 190),
        "energy_wh": pytest.approx(15.213),
        "ac_energy_wh": pytest.approx(0.94 * 15.213, abs=0.001),
        "lifetime_kwh": 2127.9,
        "inverters_reporting": 2,
    }
    channels = [(point["fields"]["power_w"], point["fields"]["energy_wh"]) for point in of(found, "channel")]
    assert channels == [(17, 1.409), (18, 1.419), (29, 2.309), (38, 3.07), (45, 3.569), (43, 3.437)]
    # The power that the firmware gives is a fixed share of the channels' sum.
    assert [point["fields"]["ac_power_w"] for point in of(found, "inverter")] == [
        pytest.approx(0.94 * 35),
        pytest.approx(0.94 * 155),
    ]


def test_the_captured_records_of_optimizers_add_up_to_their_headers(decode: Decode) -> None:
    records = [raw.encode() for _, raw in captured("upload.txt")[1:]]
    for raw, found in zip(records, decode(*records), strict=True):
        assert found["problems"] == []
        inputs, outputs = of(found, "channel"), of(found, "optimizer")
        assert (len(inputs), len(outputs)) == (2 * 58, 58)
        header = of(found, "ecu")[0]["fields"]
        # Rounded to mW 58 times.
        assert math.fsum(point["fields"]["power_w"] for point in inputs) == pytest.approx(header["power_w"], abs=0.01)
        output_w = int(raw[40:50]) / 1000
        assert math.fsum(point["fields"]["output_power_w"] for point in outputs) == pytest.approx(output_w, abs=0.01)
        assert all(point["fields"].get("current_a", 0) < 60 for point in inputs)


def test_every_captured_control_message_is_decoded(decode: Decode) -> None:
    messages = captured("control.txt")
    found = decode(*(raw.encode() for _, raw in messages))
    assert len(found) == len(messages)
    for (comment, _), result in zip(messages, found, strict=True):
        if "ECU->EMA" in comment:
            assert result["kind"] in ("poll", "report")
            assert result["problems"] == []
    zones = [point["fields"]["zone"] for result in found for point in result["points"] if "zone" in point["fields"]]
    assert zones == ["Etc/GMT+8", "Etc/GMT-14"]


def test_what_was_turned_away_comes_with_its_bytes_and_sender_and_no_control_character(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hello = bytes(range(256))
    configured = tmp_path / "site.toml"
    configured.write_text(f'[journal]\npath = "{tmp_path / "journal.db"}"\n')
    with contextlib.closing(Journal(tmp_path / "journal.db")) as journal:
        for order, raw in enumerate((b"GET / HTTP/1.1", hello)):
            journal.refuse(order * 10**9, 8995, "192.0.2.1", "not a message of a gateway", raw)
    assert main(["decode", "--refused", "--config", str(configured)]) == FINE
    out, err = capsys.readouterr()
    assert err == ""
    assert all(line.isascii() and line.isprintable() for line in out.splitlines())
    newest, first = map(json.loads, out.splitlines())
    assert newest["raw"].encode("latin-1") == hello
    assert first == {
        "kind": "unknown",
        "ecu": "",
        "time": "",
        "points": [],
        "problems": ["no time stamp of a record where one should be"],
        "received_at": "1970-01-01T00:00:00Z",
        "peer": "192.0.2.1",
        "port": 8995,
        "reason": "not a message of a gateway",
        "raw": "GET / HTTP/1.1",
    }


def process(*arguments: str, folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "collector", "decode", *arguments],
        cwd=folder,
        env=own_environ({"PYTHONUNBUFFERED": ""}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.mark.parametrize("arguments", [(), ("-",)])
def test_standard_input_is_read_line_by_line(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    with process(*arguments, folder=tmp_path) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        for minute in (40, 45):
            running.stdin.write(frame(f"2026062112{minute}00", yc600()) + b"\n")
            running.stdin.flush()
            # The answer is there before the next line is, as a live capture needs it.
            assert json.loads(running.stdout.readline())["time"] == f"2026062112{minute}00"
        out, err = running.communicate()
        assert (out, err, running.returncode) == (b"", b"", FINE)


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "frames.txt").write_bytes((frame(TIME, yc600()) + b"\n") * 2000)
    with process("frames.txt", folder=tmp_path) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.readline()
        running.stdout.close()
        err = running.stderr.read()
        assert (running.wait(30), err) == (FINE, b"")


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path, reason in ((tmp_path / "none.txt", "No such file or directory"), (tmp_path, "Is a directory")):
        assert main(["decode", str(path)]) == FINDING
        out, err = capsys.readouterr()
        assert (out, err) == ("", f"collector: {path}: {reason}\n")


def test_a_configuration_with_faults_comes_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "site.toml").write_text("[site]\ntimezone = 5\n")
    assert main(["decode", "--config", str(tmp_path / "site.toml"), "none.txt"]) == USAGE
    assert "site.timezone" in capsys.readouterr().err


@pytest.mark.parametrize("number", ["0", "-1", "x", "99999999999999999999"])
def test_a_number_that_no_record_can_have_is_a_usage_error(run: Run, number: str) -> None:
    code, out, err = run("decode", f"--record={number}")
    assert (code, out) == (USAGE, "")
    assert f"'{number}' is no number of a record" in err


def test_a_file_beside_a_record_of_the_journal_is_a_usage_error(run: Run) -> None:
    code, out, err = run("decode", "--record", "1", "frames.txt")
    assert (code, out) == (USAGE, "")
    assert "--record and --refused are from the journal and FILE is not" in err
