"""The command as its owner runs it: exit codes, JSON, the view, and that it ends whatever it meets."""

import io
import json
import socket
import time
from pathlib import Path
from typing import Any

import dns.rcode
import pytest
import trio
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from rich.console import Console

from collector import cli
from collector.commands import _doctor_view
from collector.commands.doctor import _address, _dns_server
from collector.doctor.context import own_addresses
from collector.doctor.findings import Finding, Level, as_json, failure, listed, ok, skipped, warning
from collector.doctor.runner import CHECKS, read_facts, run_checks
from tests.conftest import Influx
from tests.doctor.contexts import HERE, OTHER, DnsServer, context, note, store
from tests.doctor.test_names import rewritten
from tests.fake_influx import Answer, FakeInflux
from tests.ports import free_ports
from tests.running import Collector, run_command, write_config
from tests.samples import config, frame, yc600

TOKEN = "a-token-that-nobody-may-see"


def said(stdout: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(stdout)
    assert set(answer) == {"healthy", "findings"}
    for finding in answer["findings"]:
        assert set(finding) == {"check", "level", "found", "meaning", "remedy"}
        assert finding["level"] in ("ok", "skipped", "warning", "failure")
        assert finding["found"]
        assert bool(finding["remedy"] and finding["meaning"]) or finding["level"] in ("ok", "skipped")
    return answer


def test_a_healthy_installation_is_told_so_with_exit_code_0(influx: Influx, tmp_path: Path) -> None:
    database = f'url = "{influx.url}"\norg = "{influx.org}"\ntoken = "{influx.token}"\n'
    buckets = f'bucket = "{influx.bucket}"\nrollup_bucket = "{influx.rollup_bucket}"\n'
    zone = '[site]\ntimezone = "Europe/Amsterdam"\n'
    with (
        DnsServer(rewritten) as server,
        Collector(tmp_path, f"{zone}[influxdb]\n{database}{buckets}", ports=free_ports()) as collector,
    ):
        local = time.strftime("%Y%m%d%H%M%S", time.gmtime(time.time() + 3600))
        assert collector.send(frame(local, yc600()) + b"\n") == f"101{local}".encode()
        sent = f"{server.where[0]}:{server.where[1]}"
        deadline = time.monotonic() + 30
        while True:
            done = collector.run("doctor", "--json", "--dns", sent, "--address", HERE)
            answer = said(done.stdout)
            failures = [finding for finding in answer["findings"] if finding["level"] == "failure"]
            # Something else on this machine may have a firmware port.
            ours = [finding for finding in failures if "firmware" not in finding["meaning"]]
            if not ours or time.monotonic() > deadline:
                break
        assert ours == []
        assert done.returncode == (1 if failures else 0)
        assert answer["healthy"] is not bool(failures)
        assert influx.token not in done.stdout + done.stderr
        assert done.stderr == ""


def test_a_fresh_machine_is_told_what_to_do_in_words(tmp_path: Path) -> None:
    write_config(tmp_path, ports=free_ports())
    with DnsServer(lambda _name, _kind: dns.rcode.NXDOMAIN) as server:
        done = run_command("doctor", "--dns", f"{server.where[0]}:{server.where[1]}", folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr == ""
    assert "NXDOMAIN" in done.stdout
    assert "no time zone is configured" in done.stdout
    assert "there is no journal" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("NOT healthy: ")
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]


def test_a_configuration_with_faults_is_told_fault_by_fault_with_exit_code_2(tmp_path: Path) -> None:
    write_config(tmp_path, f'[influxdb]\nurl = 3\ntoken = "{TOKEN}"\n[sitte]\n')
    done = run_command("doctor", "--json", folder=tmp_path)
    assert done.returncode == 2
    answer = said(done.stdout)
    assert not answer["healthy"]
    assert {finding["check"] for finding in answer["findings"]} == {"configuration"}
    assert len(answer["findings"]) == 3
    assert TOKEN not in done.stdout + done.stderr
    assert run_command("doctor", folder=tmp_path).returncode == 2


def test_a_token_that_is_not_to_be_had_hides_nothing_but_influxdb(tmp_path: Path) -> None:
    write_config(tmp_path, '[influxdb]\nurl = "http://127.0.0.1:9"\norg = "home"\n', ports=free_ports())
    with DnsServer(rewritten) as server:
        asked = ("doctor", "--json", "--dns", f"{server.where[0]}:{server.where[1]}")
        for environ, fault in (
            ({}, "influxdb.token: missing (or set token_file, INFLUXDB_TOKEN or INFLUXDB_TOKEN_FILE)"),
            (
                {"INFLUXDB_TOKEN_FILE": "/nowhere"},
                "INFLUXDB_TOKEN_FILE: the file cannot be read: No such file or directory",
            ),
        ):
            done = run_command(*asked, folder=tmp_path, environ=environ)
            assert done.returncode == 2
            findings = said(done.stdout)["findings"]
            assert (findings[0]["level"], findings[0]["found"]) == ("failure", fault)
            assert {finding["check"] for finding in findings} >= {"names", "ports", "journal", "grafana"}
            (influxdb,) = [finding for finding in findings if finding["check"] == "influxdb"]
            assert influxdb["level"] == "skipped"


@pytest.mark.parametrize(
    "arguments", [["--dns", "pi.hole"], ["--dns", "192.0.2.1:0"], ["--address", "here"], ["--from-outside", ""]]
)
def test_what_is_no_address_is_a_usage_error(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exits:
        cli.main(["doctor", *arguments])
    assert exits.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_dns_server_may_have_a_port() -> None:
    assert _dns_server("192.0.2.1") == ("192.0.2.1", 53)
    assert _dns_server("192.0.2.1:5353") == ("192.0.2.1", 5353)
    assert _dns_server("2001:db8::1") == ("2001:db8::1", 53)
    assert _dns_server("[2001:db8::1]:5353") == ("2001:db8::1", 5353)
    assert _address("2001:DB8:0::1") == "2001:db8::1"


def test_own_addresses_are_those_that_others_can_reach() -> None:
    assert not any(address.startswith(("127.", "169.254.", "fe80", "::1")) for address in own_addresses())


async def test_it_ends_in_time_though_everything_hangs(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    store(path, frame("20260621124000", yc600()), received_at=[time.time_ns()])
    one, two, three = free_ports(OTHER)
    with FakeInflux(Answer(hang=True)) as fake, DnsServer(lambda _name, _kind: None) as server:
        fake.answers = {}
        silent = [socket.create_server((OTHER, port)) for port in (one, two, three)]
        chosen = config(
            path,
            listen={"host": OTHER, "data_ports": (one, two), "control_port": three},
            influxdb={"url": fake.url, "org": "home", "token": TOKEN},
            grafana={"url": fake.url},
        )
        began = trio.current_time()
        findings = await run_checks(context(configured=chosen, given=(OTHER,), dns=server.where))
        assert trio.current_time() - began < 12
        for listener in silent:
            listener.close()
    failing = {finding.check for finding in findings if finding.level is Level.FAILURE}
    assert failing >= {"names", "ports", "influxdb", "grafana"}
    assert TOKEN not in repr(findings)


async def test_a_check_that_never_ends_costs_itself_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from collector.doctor import runner as examining

    async def never(_look: object) -> list[Finding]:
        await trio.sleep_forever()
        raise AssertionError

    async def fine(_look: object) -> list[Finding]:
        return [ok("b", "is fine")]

    monkeypatch.setattr(examining, "_CHECKS", (("a", never), ("b", fine)))
    monkeypatch.setattr(examining, "CHECK_S", 0.05)
    ended = []
    first, second = await run_checks(context(tmp_path / "none"), lambda: ended.append(1))
    assert "did not end within 0.05 s" in first.found
    assert second.level is Level.OK
    assert len(ended) == 2
    assert CHECKS == 10


ODD = "[red]a[/red][/][link=http://x]:sun: \\"


def test_the_view_shows_what_to_do_and_takes_nothing_for_markup() -> None:
    out = io.StringIO()
    findings = [ok("a", ODD), warning("a", "w", "m", "r"), failure("b", ODD, ODD, ODD), skipped("b", "s", "how")]
    _doctor_view.show(findings, Console(file=out, width=80, highlight=False, emoji=False))
    text = out.getvalue()
    assert text.count(ODD) == 4
    assert "means: m\n" in text
    assert "to do: r\n" in text
    assert text.endswith("NOT healthy: 1 failure, 1 warning, 1 fine, 1 not looked at\n")
    assert not as_json(findings)["healthy"]
    assert as_json(findings[:2])["healthy"]


def test_names_are_listed_as_in_a_sentence() -> None:
    assert [listed("abcdef"[:count]) for count in (0, 1, 2, 4, 6)] == [
        "",
        "a",
        "a and b",
        "a, b, c and d",
        "a, b, c and 3 more",
    ]


_SECTIONS: dict[str, dict[str, st.SearchStrategy[object]]] = {
    "site": {"timezone": st.sampled_from(["UTC", "Pacific/Kiritimati", "America/St_Johns"])},
    "listen": {
        "host": st.sampled_from(["0.0.0.0", "::", "localhost", "é"]),  # noqa: S104 - never bound
        "data_ports": st.just([1]),
        "control_port": st.sampled_from([0, 2]),
    },
    "influxdb": {
        "url": st.sampled_from(
            ["http://127.0.0.1:1", "https://127.0.0.1:1/a", "http://[::1]:1", "http://127.0.0.1:1/%"]
        ),
        "org": st.text('a "\\${}é', min_size=1, max_size=5).filter(lambda text: bool(text.strip())),
        "bucket": st.sampled_from(["a", "é"]),
        "token": st.just(TOKEN),
    },
    "grafana": {
        "url": st.sampled_from(["http://127.0.0.1:1", "https://127.0.0.1:1", "http://[::1]:1/a"]),
        "password_file": st.sampled_from(["missing", ".", "config.toml", "binary"]),
    },
}


def _frames() -> st.SearchStrategy[bytes]:
    times = st.sampled_from(["20260621124000", "20260230120000", "99991231235959", "00000000000000", "30260621010512"])
    whole = times.map(lambda time: frame(time, yc600()))
    cut = st.tuples(whole, st.integers(1, 200)).map(lambda pair: pair[0][: pair[1]])
    return st.one_of(whole, cut, st.binary(min_size=1, max_size=60))


# Bytes in the schema's own text that are no UTF-8.
@example(sections={}, frames=[], state={}, damage=(975, b"\x80"), received_at=0)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sections=st.fixed_dictionaries(
        {}, optional={name: st.fixed_dictionaries(keys) for name, keys in _SECTIONS.items()}
    ),
    frames=st.lists(_frames(), max_size=4),
    state=st.dictionaries(
        st.sampled_from(
            ["beat_at", "stopped_at", "started_at", "version", "journal_error", "unanswered", "rollup_error"]
        ),
        st.one_of(st.none(), st.integers(0, 2**62), st.text(max_size=5), st.lists(st.integers())),
    ),
    damage=st.one_of(st.none(), st.tuples(st.integers(0, 2**16), st.binary(min_size=1, max_size=400))),
    received_at=st.integers(0, 2**61),
)
def test_no_state_of_configuration_and_journal_makes_it_raise(
    sections: dict[str, Any],
    frames: list[bytes],
    state: dict[str, object],
    damage: tuple[int, bytes] | None,
    received_at: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("state")
    path = folder / "journal.db"
    (folder / "binary").write_bytes(b"\xff\x00")
    if "grafana" in sections:
        sections["grafana"]["password_file"] = str(folder / sections["grafana"]["password_file"])
    store(path, *frames, received_at=[received_at] * len(frames))
    note(path, "run", state)
    if damage is not None:
        content = bytearray(path.read_bytes())
        at = damage[0] % len(content)
        content[at : at + len(damage[1])] = damage[1]
        path.write_bytes(content)
    chosen = config(path, **sections)

    async def run() -> list[Finding]:
        facts = await read_facts(chosen, time.time_ns())
        with DnsServer(rewritten) as server:
            return await run_checks(context(configured=chosen, facts=facts, dns=server.where, given=(OTHER,)))

    findings = trio.run(run)
    said(json.dumps(as_json(findings)))
    assert TOKEN not in repr(findings)
