"""What is told of a Home Assistant that can't be used, and `collector homeassistant`."""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

from collector.commands.exit_codes import FINDING, FINE, USAGE
from collector.outputs.homeassistant import _session
from tests.config import certificates
from tests.fake_home_assistant import TOKEN, FakeHomeAssistant
from tests.ledger.books import Books
from tests.mosquitto_server import until
from tests.outputs import brokers
from tests.program import Run
from tests.running import Collector, write_config
from tests.samples import ECU, frame, yc600

OURS = f"apsystems_collector:ecu_{ECU}"


@contextmanager
def serving(there: FakeHomeAssistant, tls: ssl.SSLContext | None = None) -> Iterator[FakeHomeAssistant]:
    """A Home Assistant in a thread of its own."""
    listens, is_over = threading.Event(), trio.Event()
    tokens: list[trio.lowlevel.TrioToken] = []

    async def serve() -> None:
        async with there.serving(tls):
            tokens.append(trio.lowlevel.current_trio_token())
            listens.set()
            await is_over.wait()

    thread = threading.Thread(target=trio.run, args=[serve])
    thread.start()
    assert listens.wait(20)
    try:
        yield there
    finally:
        tokens[0].run_sync_soon(is_over.set)
        thread.join()


def configured(folder: Path, url: str, more: str = "") -> list[str]:
    """The arguments that name a configuration with this Home Assistant."""
    (folder / "token").write_text(TOKEN)
    section = f'[homeassistant]\nurl = "{url}"\ntoken_file = "{folder}/token"\n{more}\n'
    return ["--config", str(write_config(folder, f'[journal]\npath = "{folder}/journal.db"\n{section}'))]


def test_home_assistant_is_tried_and_what_there_is_to_send_is_named(run: Run, tmp_path: Path) -> None:
    with serving(FakeHomeAssistant()) as there:
        config = configured(tmp_path, there.url)
        code, out, _ = run("homeassistant", "--check", *config)
        assert code == FINE
        assert out.startswith(f"Home Assistant 2026.11.0 at {there.url} takes statistics from Owner\nthere is nothing")
        books = Books(tmp_path / "journal.db", zone="UTC")
        books.store(frame("20260621120000", yc600()))
        books.count()
        code, out, _ = run("homeassistant", "--check", *config)
        assert code == FINE
        assert out.endswith(f"\n{OURS}: ECU {ECU} solar energy\n")
        assert not there.rows


def test_all_hours_are_sent_by_hand_as_often_as_one_likes(run: Run, tmp_path: Path) -> None:
    books = Books(tmp_path / "journal.db", zone="UTC")
    books.store(frame("20260621120000", yc600()), frame("20260622120000", yc600()))
    books.count()
    with serving(FakeHomeAssistant()) as there:
        for _ in range(2):
            there.rows.clear()
            code, out, _ = run("homeassistant", "--send-all", *configured(tmp_path, there.url))
            assert (code, out) == (FINE, f"sent all hours of 1 series to {there.url}\n")
            assert len(there.rows[OURS]) == 25


def test_the_path_of_the_supervisor_and_one_of_a_proxy_are_kept(run: Run, tmp_path: Path) -> None:
    with serving(FakeHomeAssistant()) as there:
        assert run("homeassistant", "--check", *configured(tmp_path, f"{there.url}/core"))[0] == FINE
        code, _, err = run("homeassistant", "--check", *configured(tmp_path, f"{there.url}/lovelace"))
        assert code == FINDING
        assert "it answers 404 where a websocket is asked for: see that homeassistant.url" in err


def test_a_user_who_may_not_is_found_by_the_check(run: Run, tmp_path: Path) -> None:
    with serving(FakeHomeAssistant(is_admin=False)) as there:
        code, _, err = run("homeassistant", "--check", *configured(tmp_path, there.url))
    assert code == FINDING
    assert "knows the token, but Owner is no administrator: make the token as a user who is" in err


def test_tls_needs_an_authority_and_both_sides(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = certificates.make(tmp_path)
    monkeypatch.setattr(_session, "CONNECT_S", 0.5)
    with serving(FakeHomeAssistant(), certificates.serving(made.server)) as there:
        url = there.url.replace("http:", "https:")
        code, _, err = run("homeassistant", "--check", *configured(tmp_path, url))
        assert code == FINDING
        assert "is not trusted: unable to get local issuer certificate: name the certificate of" in err
        assert "opens no websocket" in run("homeassistant", "--check", *configured(tmp_path, there.url))[2]
        monkeypatch.setattr(_session, "CONNECT_S", 20.0)
        code, out, _ = run("homeassistant", "--check", *configured(tmp_path, url, f'ca_file = "{made.authority}"'))
        assert (code, "takes statistics" in out) == (FINE, True)
        for odd in ("token", "missing.pem"):
            code, _, err = run("homeassistant", "--check", *configured(tmp_path, url, f'ca_file = "{tmp_path}/{odd}"'))
            assert (code, "see that homeassistant.ca_file is a file with one in PEM" in err) == (FINDING, True)
    with serving(FakeHomeAssistant()) as there:
        url = there.url.replace("http:", "https:")
        code, _, err = run("homeassistant", "--check", *configured(tmp_path, url))
        assert (code, "see that homeassistant.url begins with http:// if it has no TLS" in err) == (FINDING, True)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://127.0.0.1:9", "nobody listens at 127.0.0.1:9: nothing is lost"),
        ("http://no-such-name.invalid:8123", "nobody knows where no-such-name.invalid is: "),
    ],
)
def test_what_is_wrong_with_the_address_is_told(run: Run, tmp_path: Path, url: str, told: str) -> None:
    for option in ("--check", "--send-all"):
        Books(tmp_path / "journal.db").store(frame("20260621120000", yc600()))
        code, _, err = run("homeassistant", option, *configured(tmp_path, url))
        assert code == FINDING
        assert told in err


@pytest.mark.parametrize("behave", [brokers.hang_up, brokers.reset, brokers.hold, brokers.talk_nonsense])
def test_what_is_no_home_assistant_is_told_in_a_line(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, behave: Callable[..., None]
) -> None:
    monkeypatch.setattr(_session, "CONNECT_S", 0.5)
    with brokers.broker(behave) as (port, _):
        code, _, err = run("homeassistant", "--check", *configured(tmp_path, f"http://127.0.0.1:{port}"))
    assert code == FINDING
    # A connection that is reset at once has never been one.
    assert "opens no websocket: see that homeassistant.url" in err or "no connection to" in err
    assert len(err.splitlines()) == 1


def test_without_the_section_or_the_token_it_is_said_what_is_missing(run: Run, tmp_path: Path) -> None:
    code, _, err = run("homeassistant", "--check", "--config", str(write_config(tmp_path, "")))
    assert (code, "homeassistant: the section is missing: [homeassistant] in config.toml" in err) == (
        USAGE,
        True,
    )
    config = configured(tmp_path, "http://127.0.0.1:9")
    (tmp_path / "token").unlink()
    code, _, err = run("homeassistant", "--check", *config)
    assert code == FINDING
    assert f"no token in {tmp_path}/token: No such file or directory: in Home Assistant make" in err
    assert TOKEN not in err


def test_the_service_sends_by_itself_and_says_how_it_goes(tmp_path: Path) -> None:
    with serving(FakeHomeAssistant()) as there:
        configured(tmp_path, there.url)
        section = f'[homeassistant]\nurl = "{there.url}"\ntoken_file = "{tmp_path}/token"\n'
        with Collector(tmp_path, section) as collector:
            assert collector.send(frame("20260621120000", yc600()) + b"\n")
            collector.wait_for("Home Assistant has the energy of all hours")
            # The ledger lets gateways and InfluxDB go first.
            until(lambda: OURS in collector.run("homeassistant", "--check").stdout)
            done = collector.run("homeassistant", "--send-all")
            assert done.returncode == FINE, done.stderr
            assert len(there.rows[OURS]) == 1
            until(lambda: [one.connected for one in collector.look().outputs] == [True])
            (output,) = collector.status()[1]["outputs"]
            assert (output["name"], output["last_error"]) == ("homeassistant", "")
