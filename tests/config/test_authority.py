"""InfluxDB behind a certificate of the owner's own: a real encrypted connection, and what is said where it fails."""

import ast
import ssl
from contextlib import closing
from pathlib import Path

import pytest

from collector.config import authority
from collector.config.load import load
from collector.delivery.influx import InfluxSink
from collector.doctor import _influxdb
from collector.doctor.findings import Level
from collector.errors import ConfigError, SinkUnavailable
from tests.config import certificates
from tests.config.certificates import Certificates, serving
from tests.doctor.contexts import context, levels
from tests.fake_influx import FakeInflux, json_answer
from tests.provision.conftest import provision
from tests.samples import config

WANTED = (
    "a file in PEM form is wanted, with the certificate of the authority that signed the server's, or the server's own"
    " if it signed itself"
)
PACKAGE = Path(authority.__file__).parent
LINE = b"m f=1 1700000000000000000"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates.make(tmp_path_factory.mktemp("certificates"))


def sink_to(url: str, ca_file: Path | None) -> closing[InfluxSink]:
    return closing(InfluxSink(url, "home", "token", "solar", "solar_daily", ca_file=ca_file))


@pytest.mark.parametrize(("shown", "trusted"), [("server", "authority"), ("own", "own"), ("server", "server")])
def test_what_the_file_vouches_for_is_trusted(made: Certificates, shown: str, trusted: str) -> None:
    with (
        FakeInflux(encryption=serving(getattr(made, shown))) as fake,
        sink_to(fake.url, getattr(made, trusted)) as sink,
    ):
        sink.connect()
        sink.write(LINE)
        assert sink.greet().version == "v2.9.1"
    assert fake.writes == [LINE]


@pytest.mark.parametrize("trusted", [None, "own"])
def test_what_nothing_vouches_for_is_refused_with_the_remedy(made: Certificates, trusted: str | None) -> None:
    ca_file: Path | None = None if trusted is None else getattr(made, trusted)
    with FakeInflux(encryption=serving(made.server)) as fake, sink_to(fake.url, ca_file) as sink:
        with pytest.raises(SinkUnavailable, match=r"CERTIFICATE_VERIFY_FAILED.*influxdb\.ca_file"):
            sink.write(LINE)
        assert fake.requests == []


def test_a_certificate_for_another_name_is_refused(made: Certificates) -> None:
    with FakeInflux(encryption=serving(made.server)) as fake:
        url = fake.url.replace("127.0.0.1", "localhost")
        with sink_to(url, made.authority) as sink, pytest.raises(SinkUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
            sink.write(LINE)
        assert fake.requests == []


def test_a_file_that_went_away_is_unavailable_until_it_is_back(made: Certificates, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    with FakeInflux(encryption=serving(made.server)) as fake, sink_to(fake.url, path) as sink:
        with pytest.raises(SinkUnavailable, match="encrypted connection failed"):
            sink.write(LINE)
        path.write_bytes(made.authority.read_bytes())
        sink.write(LINE)
    assert fake.writes == [LINE]


def test_what_is_made_by_hand_is_not_held_to_the_strict_form() -> None:
    assert not authority.trusting().verify_flags & ssl.VERIFY_X509_STRICT
    assert authority.trusting().verify_mode is ssl.CERT_REQUIRED
    assert authority.trusting().check_hostname


def settings(path: Path, url: str, ca_file: Path | None) -> Path:
    file = path / "config.toml"
    named = "" if ca_file is None else f'ca_file = "{ca_file}"\n'
    file.write_text(f'[influxdb]\nurl = "{url}"\norg = "home"\ntoken = "secret"\n{named}')
    return file


def test_the_file_is_named_in_the_configuration_or_the_environment(made: Certificates, tmp_path: Path) -> None:
    path = settings(tmp_path, "https://influxdb:8086", made.own)
    loaded = load(path, {}).influxdb
    assert loaded is not None
    assert loaded.ca_file == made.own
    loaded = load(path, {"INFLUXDB_CA_FILE": str(made.authority)}).influxdb
    assert loaded is not None
    assert loaded.ca_file == made.authority
    loaded = load(settings(tmp_path, "https://influxdb:8086", None), {}).influxdb
    assert loaded is not None
    assert loaded.ca_file is None


def test_a_file_of_no_use_is_a_fault_with_the_remedy(tmp_path: Path) -> None:
    missing, empty, folder = tmp_path / "missing.pem", tmp_path / "empty.pem", tmp_path / "folder"
    empty.touch()
    folder.mkdir()
    binary = tmp_path / "ca.der"
    binary.write_bytes(b"\x30\x82\x01\x00 a certificate in another form")
    for path, told in (
        (missing, "cannot be read: No such file or directory"),
        (folder, "cannot be read: Is a directory"),
        (empty, "holds no certificate"),
        (binary, "holds no certificate"),
    ):
        file = settings(tmp_path, "https://influxdb:8086", path)
        with pytest.raises(ConfigError) as caught:
            load(file, {})
        assert caught.value.faults == (f"influxdb.ca_file: the file {told}; {WANTED}",)
        with pytest.raises(ConfigError) as caught:
            load(file, {"INFLUXDB_CA_FILE": str(path)})
        assert caught.value.faults == (f"INFLUXDB_CA_FILE: the file {told}; {WANTED}",)
        assert load(file, {}, needs_token=False).influxdb is not None


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ('""', "expected a path, got ''"),
        ("5", "expected text in quotes, got 5"),
        (r'"a\u0000"', "expected a path, got 'a\\x00' (character 2 is U+0000 CONTROL CHARACTER: take it out)"),
    ],
)
def test_what_is_no_path_is_one_fault(tmp_path: Path, value: str, told: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f'[influxdb]\nurl = "https://x"\norg = "home"\ntoken = "secret"\nca_file = {value}\n')
    with pytest.raises(ConfigError) as caught:
        load(file, {})
    assert caught.value.faults == (f"influxdb.ca_file: {told}",)


async def test_the_doctor_uses_the_file(made: Certificates, tmp_path: Path) -> None:
    with FakeInflux(encryption=serving(made.server)) as fake:
        given = {"url": fake.url, "org": "home", "token": "secret-token"}
        without = await _influxdb.check(context(configured=config(tmp_path / "journal.db", influxdb=given)))
        assert levels(without) == [Level.FAILURE]
        assert "influxdb.ca_file" in without[0].found
        given["ca_file"] = str(made.authority)
        having = await _influxdb.check(context(configured=config(tmp_path / "journal.db", influxdb=given)))
        assert having[0].found == f"version v2.9.1 answers at {fake.url}"


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_whoever_talks_to_influxdb_says_whom_to_trust(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("InfluxSink"):
            assert "ca_file" in {keyword.arg for keyword in node.keywords}, f"line {node.lineno}"


def test_the_provisioning_uses_the_file(made: Certificates, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = tmp_path / "influxdb" / "admin_token"
    first.parent.mkdir()
    first.write_text("token")
    with FakeInflux(encryption=serving(made.server)) as fake:
        fake.answers["/api/v2/buckets"] = json_answer(200, {"buckets": []})
        environ = {"COLLECTOR_CONFIG": str(settings(tmp_path, fake.url, None))}
        assert provision("accounts", tmp_path, environ) == 1
        assert "influxdb.ca_file or INFLUXDB_CA_FILE" in capsys.readouterr().err
        assert fake.requests == []
        assert provision("accounts", tmp_path, environ | {"INFLUXDB_CA_FILE": str(made.authority)}) == 1
        assert "does not show the bucket 'solar' to this token" in capsys.readouterr().err
