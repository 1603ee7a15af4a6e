"""The buckets and tokens that the second step makes, on a real InfluxDB of each test's own."""

import contextlib
import logging
import re
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from collector.delivery.influx import ROLLUP_SHARD_GROUP_S, SHARD_GROUP_S, InfluxSink
from collector.errors import SinkUnavailable
from tests.fake_influx import Answer, FakeInflux, error, json_answer
from tests.influxdb_server import ADMIN_TOKEN, ORG, SETUP_BUCKET, Api, InfluxServer
from tests.provision.conftest import contents, provision
from tests.running import own_environ

POINT = b"ecu,ecu=216000000001,ecu_name=Roof power_w=1 1700000000000000000\n"
START = datetime(2023, 1, 1, tzinfo=UTC)
STOP = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture
def api(own_influx_server: InfluxServer) -> Api:
    return own_influx_server.api


@pytest.fixture
def environ(api: Api, folder: Path, tmp_path: Path) -> dict[str, str]:
    """What the step `accounts` finds: a configuration without secrets, and the token that InfluxDB was set up with."""
    token_file = folder / "influxdb" / "admin_token"
    token_file.parent.mkdir(parents=True)
    token_file.write_text(ADMIN_TOKEN)
    configuration = tmp_path / "config.toml"
    configuration.touch()
    return {
        "COLLECTOR_CONFIG": str(configuration),
        "INFLUXDB_URL": api.url,
        "INFLUXDB_ORG": ORG,
        "INFLUXDB_TOKEN_FILE": str(token_file),
    }


@contextlib.contextmanager
def sink(api: Api, folder: Path, owner: str, rollup_bucket: str = "solar_daily") -> Iterator[InfluxSink]:
    token = (folder / owner / "influxdb_token").read_text().strip()
    with contextlib.closing(InfluxSink(api.url, ORG, token, "solar", rollup_bucket)) as opened:
        yield opened


def tokens(api: Api, owner: str) -> list[str]:
    found = api.call("GET", "/api/v2/authorizations", orgID=api.org_id())["authorizations"]
    return [token["id"] for token in found if token["description"] == f"solar: {owner}"]


def count(bucket: str) -> str:
    return f'from(bucket: "{bucket}") |> range(start: 0) |> count()'


def test_no_line_of_the_log_holds_a_secret_and_one_says_where_grafanas_is(
    folder: Path, environ: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "collector")
    provision("secrets", folder)
    provision("accounts", folder, environ)

    secrets = contents(folder).values()
    assert len(secrets) == 6
    assert not [secret for secret in secrets if secret.strip() in caplog.text]
    assert f"{folder}/grafana/admin_password (with Docker: docker compose exec grafana cat /run/secrets/" in caplog.text
    assert "restart" not in caplog.text


def test_only_the_collectors_token_is_kept_from_other_users_by_its_mode(folder: Path, environ: dict[str, str]) -> None:
    provision("secrets", folder)
    provision("accounts", folder, environ)

    modes = {name: stat.S_IMODE((folder / name).stat().st_mode) for name in contents(folder)}
    # Written by the fixture, not by the step.
    del modes["influxdb/admin_token"]
    assert modes.pop("collector/influxdb_token") == 0o400
    assert set(modes.values()) == {0o444}


def test_the_collectors_token_writes_reads_and_deletes_in_its_two_buckets(
    api: Api, folder: Path, environ: dict[str, str]
) -> None:
    assert provision("accounts", folder, environ) == 0

    with sink(api, folder, "collector") as collector:
        collector.connect()
        for bucket in ("solar", "solar_daily"):
            collector.write(POINT, bucket=bucket)
            assert [row["_value"] for row in collector.query(count(bucket))] == [1]
            collector.delete(START, STOP, '_measurement="ecu"', bucket=bucket)
            assert collector.query(count(bucket)) == []


def test_the_collectors_token_is_good_for_no_other_bucket(api: Api, folder: Path, environ: dict[str, str]) -> None:
    provision("accounts", folder, environ)
    api.write(SETUP_BUCKET, POINT.decode())

    with sink(api, folder, "collector") as collector:
        with pytest.raises(SinkUnavailable, match="403"):
            collector.write(POINT, bucket=SETUP_BUCKET)
        with pytest.raises(SinkUnavailable, match="may neither read nor write the bucket 'setup'"):
            collector.query(count(SETUP_BUCKET))
    with sink(api, folder, "collector", "another") as collector, pytest.raises(SinkUnavailable):
        collector.connect()


def test_grafanas_token_reads_both_buckets_and_writes_neither(api: Api, folder: Path, environ: dict[str, str]) -> None:
    provision("accounts", folder, environ)
    for bucket in ("solar", "solar_daily", SETUP_BUCKET):
        api.write(bucket, POINT.decode())

    with sink(api, folder, "grafana") as grafana:
        for bucket in ("solar", "solar_daily"):
            assert [row["_value"] for row in grafana.query(count(bucket))] == [1]
            with pytest.raises(SinkUnavailable, match="403"):
                grafana.write(POINT, bucket=bucket)
            with pytest.raises(SinkUnavailable, match="403"):
                grafana.delete(START, STOP, '_measurement="ecu"', bucket=bucket)
        with pytest.raises(SinkUnavailable, match="may neither read nor write the bucket 'setup'"):
            grafana.query(count(SETUP_BUCKET))
        assert {row["name"] for row in grafana.query("buckets()")} == {"solar", "solar_daily"}


def test_the_buckets_have_the_collectors_own_shard_groups(api: Api, folder: Path, environ: dict[str, str]) -> None:
    provision("accounts", folder, environ)
    for name, shard_group_s in (("solar", SHARD_GROUP_S), ("solar_daily", ROLLUP_SHARD_GROUP_S)):
        bucket = api.bucket(name)
        assert bucket is not None
        (rule,) = bucket["retentionRules"]
        assert (rule["everySeconds"], rule["shardGroupDurationSeconds"]) == (0, shard_group_s)


def test_a_second_run_changes_nothing(
    api: Api, folder: Path, environ: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    provision("accounts", folder, environ)
    files, ids = contents(folder), [tokens(api, owner) for owner in ("collector", "grafana")]
    caplog.clear()
    assert provision("accounts", folder, environ) == 0

    assert contents(folder) == files
    assert [tokens(api, owner) for owner in ("collector", "grafana")] == ids
    assert caplog.text == ""


def test_an_installation_with_other_buckets_has_tokens_of_its_own_and_leaves_the_first_as_it_is(
    api: Api, folder: Path, environ: dict[str, str], tmp_path: Path
) -> None:
    assert provision("accounts", folder, environ) == 0
    files, ids = contents(folder), [tokens(api, owner) for owner in ("collector", "grafana")]
    configuration, other = tmp_path / "demo.toml", tmp_path / "other"
    configuration.write_text('[influxdb]\nbucket = "solar_demo"\nrollup_bucket = "solar_daily_demo"\n')
    # Compose shows both the same.
    (other / "influxdb").mkdir(parents=True)
    (other / "influxdb" / "admin_token").write_text(ADMIN_TOKEN)

    assert provision("accounts", other, {**environ, "COLLECTOR_CONFIG": str(configuration)}) == 0
    assert provision("accounts", folder, environ) == 0

    assert contents(folder) == files
    assert [tokens(api, owner) for owner in ("collector", "grafana")] == ids
    with sink(api, other, "collector") as stranger, pytest.raises(SinkUnavailable):
        stranger.write(b"ecu power_w=1 1700000000000000000")


def lose_the_file(_api: Api, file: Path) -> None:
    file.unlink()


def spoil_the_file(_api: Api, file: Path) -> None:
    file.chmod(0o600)
    file.write_text("no token of this database\n")


def make_another_of_the_same_name(api: Api, file: Path) -> None:
    """As a run that was cut off after InfluxDB made the token and before the file was written."""
    body = {"orgID": api.org_id(), "description": f"solar: {file.parent.name}"}
    permission = {"action": "read", "resource": {"type": "buckets", "orgID": api.org_id()}}
    api.call("POST", "/api/v2/authorizations", {**body, "permissions": [permission]})


def delete_the_token(api: Api, file: Path) -> None:
    for token in tokens(api, file.parent.name):
        api.call("DELETE", f"/api/v2/authorizations/{token}")


def deactivate_the_token(api: Api, file: Path) -> None:
    for token in tokens(api, file.parent.name):
        api.call("PATCH", f"/api/v2/authorizations/{token}", {"status": "inactive"})


def make_the_bucket_anew(api: Api, _file: Path) -> None:
    api.drop_bucket("solar")
    api.create_bucket("solar")


@pytest.mark.parametrize("owner", ["collector", "grafana"])
@pytest.mark.parametrize(
    "damage",
    [
        lose_the_file,
        spoil_the_file,
        make_another_of_the_same_name,
        delete_the_token,
        deactivate_the_token,
        make_the_bucket_anew,
    ],
)
def test_a_token_of_no_use_is_replaced_and_no_other_of_its_name_stays(
    api: Api,
    folder: Path,
    environ: dict[str, str],
    caplog: pytest.LogCaptureFixture,
    owner: str,
    damage: Callable[[Api, Path], None],
) -> None:
    provision("accounts", folder, environ)
    file = folder / owner / "influxdb_token"
    before = file.read_text()
    damage(api, file)
    caplog.clear()
    assert provision("accounts", folder, environ) == 0

    assert f"docker compose restart {owner}" in caplog.text
    assert file.read_text() != before
    assert len(tokens(api, owner)) == 1
    api.write("solar", POINT.decode())
    with sink(api, folder, owner) as opened:
        assert [row["_value"] for row in opened.query(count("solar"))] == [1]


def test_secrets_of_another_installation_are_said_and_nothing_is_made(
    api: Api, folder: Path, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path(environ["INFLUXDB_TOKEN_FILE"]).write_text("token-of-another")
    assert provision("accounts", folder, environ) == 1

    said = capsys.readouterr().err
    assert "does not know the token" in said
    assert "token-of-another" not in said
    assert list(contents(folder)) == ["influxdb/admin_token"]
    assert api.bucket("solar") is None


def test_a_database_that_is_away_is_said_in_one_line(
    own_influx_server: InfluxServer, folder: Path, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    own_influx_server.stop()
    assert provision("accounts", folder, environ) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert environ["INFLUXDB_URL"] in line


def at_a_stranger(folder: Path, stranger: FakeInflux) -> dict[str, str]:
    """The environment of the step `accounts`, and a folder that the first step has filled, without an InfluxDB."""
    provision("secrets", folder)
    return {"INFLUXDB_ORG": ORG, "INFLUXDB_TOKEN": ADMIN_TOKEN, "INFLUXDB_URL": stranger.url}


BUCKET = {"id": "1", "orgID": "2", "name": "solar", "retentionRules": []}


@pytest.mark.parametrize("path", ["/health", "/api/v2/buckets", "/api/v2/authorizations"])
@pytest.mark.parametrize(
    "said",
    [
        b"hello",
        b"null",
        b"[]",
        b"5",
        b"{}",
        b'{"buckets": 5, "authorizations": 5}',
        b'{"buckets": [{}], "authorizations": [{"description": "solar: collector"}]}',
        # As an answer to the wish for a token it has none.
        b'{"authorizations": []}',
    ],
)
def test_something_else_at_the_databases_address_is_said_and_gets_no_token_stored(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    said: bytes,
) -> None:
    monkeypatch.chdir(tmp_path)
    with FakeInflux() as stranger:
        stranger.answers["/api/v2/buckets"] = json_answer(200, {"buckets": [BUCKET]})
        stranger.answers[path] = Answer(200, said, {"Content-Type": "application/json"})
        environ = at_a_stranger(folder, stranger)
        before = contents(folder)
        assert provision("accounts", folder, environ) == 1
    assert "as InfluxDB 2 never does; check influxdb.url" in capsys.readouterr().err
    assert contents(folder) == before


def test_a_folder_that_the_first_step_has_not_filled_gets_no_tokens_and_those_in_use_stay(
    api: Api, folder: Path, environ: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    provision("accounts", folder, environ)
    ids = [tokens(api, owner) for owner in ("collector", "grafana")]
    assert provision("accounts", tmp_path / "secrests", environ) == 1

    assert f"there is no {tmp_path}/secrests/influxdb/admin_token: name the folder" in capsys.readouterr().err
    assert not (tmp_path / "secrests").exists()
    assert [tokens(api, owner) for owner in ("collector", "grafana")] == ids


def test_a_token_that_may_make_no_others_is_said_and_what_there_was_stays(
    api: Api, folder: Path, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    provision("accounts", folder, environ)
    buckets = ("solar", "solar_daily")
    for rights, said in (({"read": buckets}, "to make others"), ({}, "does not show the bucket 'solar'")):
        Path(environ["INFLUXDB_TOKEN_FILE"]).write_text(api.create_token(write=buckets, **rights))
        before = contents(folder)
        capsys.readouterr()
        assert provision("accounts", folder, environ) == 1
        assert re.search(f"{said}.* the one that", capsys.readouterr().err)
        assert contents(folder) == before


def test_a_database_that_was_not_set_up_yet_is_told_from_one_of_another_installation(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with FakeInflux(error(401, "unauthorized access")) as fresh:
        fresh.answers["/api/v2/setup"] = json_answer(200, {"allowed": True})
        assert provision("accounts", folder, at_a_stranger(folder, fresh)) == 1
    assert "was not set up yet: do that first, by a POST to /api/v2/setup" in capsys.readouterr().err


def test_a_secret_that_is_no_text_is_left_alone_and_a_token_is_replaced(
    api: Api, folder: Path, environ: dict[str, str]
) -> None:
    for name in ("grafana/secret_key", "collector/influxdb_token"):
        (folder / name).parent.mkdir()
        (folder / name).write_bytes(b"\xfc\n\x00")
    assert provision("secrets", folder) == 0
    assert provision("accounts", folder, environ) == 0

    assert (folder / "grafana/secret_key").read_bytes() == b"\xfc\n\x00"
    with sink(api, folder, "collector") as opened:
        opened.connect()


@pytest.mark.usefixtures("own_signals")
def test_an_interruption_while_the_database_hangs_is_no_traceback(folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "collector", "provision", "accounts", str(folder)]
    with FakeInflux(Answer(hang=True)) as hanging:
        environ = {**own_environ(), **at_a_stranger(folder, hanging)}
        with subprocess.Popen(command, cwd=tmp_path, env=environ, stderr=subprocess.PIPE, text=True) as process:
            while not hanging.requests and process.poll() is None:
                threading.Event().wait(0.01)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "")


def test_an_organisation_that_is_not_there_is_said_by_name(
    folder: Path, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert provision("accounts", folder, {**environ, "INFLUXDB_ORG": "elsewhere"}) == 1
    assert 'organization name "elsewhere" not found' in capsys.readouterr().err


def test_faults_of_the_configuration_are_told_as_the_collector_tells_them(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configuration = tmp_path / "config.toml"
    configuration.write_text("[influxdb]\nurl = 1\n")
    assert provision("accounts", folder, {"COLLECTOR_CONFIG": str(configuration)}) == 2
    assert "influxdb.url" in capsys.readouterr().err

    configuration.write_text("")
    assert provision("accounts", folder, {"COLLECTOR_CONFIG": str(configuration)}) == 2
    assert "influxdb: missing" in capsys.readouterr().err
