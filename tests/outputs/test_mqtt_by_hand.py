"""`collector mqtt`, and what is taken back from a real broker."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.commands.exit_codes import FINDING, FINE, USAGE
from collector.outputs.mqtt import _broker
from tests.config.certificates import make
from tests.mosquitto_server import Listener, Mosquitto, until
from tests.outputs.running import GATEWAY, PREFIX, inverter_topics, quick, record_of_now
from tests.program import Run
from tests.running import Collector, write_config
from tests.samples import ECU, UID, qs1, yc600

QS1 = "806000000202"
SECRET = "correct-horse-battery"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path) as broker:
        yield broker


@pytest.fixture
def collector(tmp_path: Path, broker: Mosquitto) -> Iterator[Collector]:
    with Collector(tmp_path, broker.settings) as collector:
        collector.send(record_of_now(yc600(), qs1()) + b"\n")
        with Listener(broker.port) as listener:
            until(lambda: {GATEWAY, *inverter_topics([UID, QS1])} <= listener.kept.keys())
        yield collector


def kept(broker: Mosquitto) -> set[str]:
    """What the broker holds now, once it has said that the collector is there or gone."""
    with Listener(broker.port) as listener:
        listener.publish("end", "of what was kept")
        until(lambda: "end" in listener.kept)
        return listener.kept.keys() - {"end"}


def test_a_broker_is_tried_and_what_it_gets_is_printed(run: Run, broker: Mosquitto, collector: Collector) -> None:
    config = str(collector.config)
    with Listener(broker.port) as listener:
        until(lambda: listener.kept.get(f"{PREFIX}/status") == b"online")
        code, out, _ = run("mqtt", "--check", "--config", config)
        assert code == FINE
        assert f"the broker at 127.0.0.1:{broker.port} lets the collector in and takes its messages" in out
        assert f"{PREFIX}/check" not in kept(broker)
        printed = collector.run("mqtt", "--print")
        assert printed.returncode == FINE
        assert {line.split(" ")[0] for line in printed.stdout.splitlines()} == kept(broker)
        # The service was not thrown out: its will came to nobody, who heard everything until now.
        listener.publish("end", "of what was heard")
        until(lambda: "end" in listener.kept)
        assert (f"{PREFIX}/status", b"offline") not in {(topic, payload) for topic, payload, _ in listener.heard}


@pytest.mark.parametrize(
    ("settings", "arguments", "code", "told"),
    [
        ("", ("--check",), FINDING, "no broker is configured"),
        ('[mqtt]\nhost = "127.0.0.1"\nport = 9\n', ("--check",), FINDING, "nobody listens at 127.0.0.1:9"),
        ('[mqtt]\nhost = "127.0.0.1"\nport = 9\n', ("--print",), FINDING, "there is no journal"),
        ('[mqtt]\nhost = "127.0.0.1"\nport = 9\n', ("--forget",), USAGE, "say what to forget"),
        ('[mqtt]\nhost = "127.0.0.1"\nport = 9\n', ("--check", "--all"), USAGE, "--all goes with --forget"),
        ("[mqtt]\nport = 9\n", ("--check",), USAGE, "mqtt.host: missing"),
        ('[mqtt]\nhost = "a"\nca_file = "b"\n', ("--check",), USAGE, "tls = true is missing"),
        ('[mqtt]\nhost = "a"\npassword_file = "b"\n', ("--check",), USAGE, "mqtt.user: missing"),
        ('[mqtt]\nhost = "a"\nprefix = "sun/#"\n', ("--check",), USAGE, "without blanks, '+' and '#'"),
        (f'[mqtt]\nhost = "a"\npassword = "{SECRET}"\n', ("--check",), USAGE, "did you mean 'password_file'?"),
    ],
)
def test_what_is_wrong_is_told_with_what_to_do(
    tmp_path: Path, run: Run, settings: str, arguments: tuple[str, ...], code: int, told: str
) -> None:
    config = write_config(tmp_path, settings)
    found, _, err = run("mqtt", *arguments, "--config", str(config))
    assert found == code
    assert told in err
    assert SECRET not in err


def test_an_address_where_nobody_answers_is_given_up_in_time(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_broker, "CONNECT_S", 0.4)
    with socket.socket() as silent, contextlib.ExitStack() as waiting:
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        # What is beyond those that wait to be accepted gets no answer, as from an address that leads nowhere.
        for _ in range(3):
            one = waiting.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(silent.getsockname())
        config = write_config(tmp_path, f'[mqtt]\nhost = "127.0.0.1"\nport = {silent.getsockname()[1]}\n')
        code, _, err = run("mqtt", "--check", "--config", str(config))
    assert code == FINDING
    assert "no answer from 127.0.0.1:" in err
    assert "see that mqtt.host is on, and that no firewall is in between" in err


def test_a_device_that_is_forgotten_is_gone_for_a_service_that_runs_and_one_that_starts(
    tmp_path: Path, broker: Mosquitto, collector: Collector
) -> None:
    done = collector.run("mqtt", "--forget", QS1)
    assert (done.returncode, done.stdout) == (FINE, f"forgotten: {QS1}\n")
    until(lambda: not inverter_topics([QS1]) & kept(broker))
    collector.stop()
    with Collector(tmp_path, broker.settings) as again:
        again.send(record_of_now(yc600()) + b"\n")
        with Listener(broker.port) as listener:
            until(lambda: listener.kept.get(f"{PREFIX}/status") == b"online")
        assert not inverter_topics([QS1]) & kept(broker)
        # What reports is there.
        again.send(record_of_now(yc600(), qs1(), ago_s=-5) + b"\n")
        until(lambda: inverter_topics([QS1]) <= kept(broker))


def test_everything_is_forgotten_when_no_service_runs(broker: Mosquitto, collector: Collector) -> None:
    collector.stop()
    done = collector.run("mqtt", "--forget", "--all")
    assert (done.returncode, len(done.stdout.splitlines())) == (FINE, 3)
    assert kept(broker) == set()
    assert "nothing of the kind was published" in collector.run("mqtt", "--forget", "408000000099").stderr


def test_another_prefix_leaves_nothing_below_the_one_before(
    tmp_path: Path, broker: Mosquitto, collector: Collector
) -> None:
    collector.stop()
    with Collector(tmp_path, f'{broker.settings}prefix = "sun"\n'):
        wanted = {"sun/status", f"sun/ecu/{ECU}", f"sun/inverter/{UID}", f"sun/inverter/{QS1}"}
        configs = {f"homeassistant/device/apsystems_{root}/config" for root in (ECU, UID, QS1)}
        until(lambda: kept(broker) == wanted | configs)


def test_a_service_that_is_killed_is_offline_by_its_will(broker: Mosquitto, collector: Collector) -> None:
    with Listener(broker.port) as listener:
        collector.kill()
        until(lambda: listener.kept.get(f"{PREFIX}/status") == b"offline")


def test_with_tls_the_broker_has_to_be_the_right_one(tmp_path: Path, run: Run) -> None:
    certificates = make(tmp_path)
    lines = (
        "allow_anonymous true",
        f"certfile {certificates.server}",
        f"keyfile {certificates.server.with_suffix('.key')}",
    )
    with Mosquitto(tmp_path, lines) as broker:
        config = write_config(tmp_path, f'{broker.settings}tls = true\nca_file = "{certificates.authority}"\n')
        code, out, err = run("mqtt", "--check", "--config", str(config))
        assert (code, err) == (FINE, "")
        assert "by TLS" in out
        config = write_config(tmp_path, f"{broker.settings}tls = true\n")
        code, _, err = run("mqtt", "--check", "--config", str(config))
        assert code == FINDING
        assert "is not trusted" in err
        assert "mqtt.ca_file" in err
        config = write_config(tmp_path, broker.settings)
        code, _, err = run("mqtt", "--check", "--config", str(config))
        assert code == FINDING
        assert "mqtt.tls" in err


def test_a_broker_without_tls_where_it_is_wanted_is_told(run: Run, tmp_path: Path, broker: Mosquitto) -> None:
    config = write_config(tmp_path, f"{broker.settings}tls = true\n")
    code, _, err = run("mqtt", "--check", "--config", str(config))
    assert code == FINDING
    assert "no TLS with the broker" in err


def test_a_topic_that_a_broker_keeps_from_the_collector_is_named(run: Run, tmp_path: Path) -> None:
    rights = tmp_path / "rights"
    rights.write_text("topic write homeassistant/#\n")
    with Mosquitto(tmp_path, ("allow_anonymous true", f"acl_file {rights}")) as broker:
        config = write_config(tmp_path, broker.settings)
        code, _, err = run("mqtt", "--check", "--config", str(config))
    assert code == FINDING
    assert f"refuses {PREFIX}/check: Not authorized" in err
    assert "below mqtt.prefix" in err


def test_a_password_is_nowhere_but_in_its_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    with Mosquitto(tmp_path) as broker:
        settings = f'{broker.settings}user = "collector"\npassword_file = "{secret}"\n'
        with Collector(tmp_path, settings) as collector:
            collector.wait_for("connected to the MQTT broker")
            process = Path(f"/proc/{collector.process.pid}")
            assert SECRET.encode() not in (process / "cmdline").read_bytes()
            assert SECRET.encode() not in (process / "environ").read_bytes()
            assert SECRET not in collector.run("status", "--json").stdout
            assert SECRET not in collector.run("doctor").stdout
            collector.stop()
            assert not any(SECRET in line for line in collector.log)
        # What was written is in the journal itself, and nothing is left in the log beside it.
        assert not collector.journal.with_name("journal.db-wal").exists()
        assert SECRET.encode() not in collector.journal.read_bytes()
