"""A real InfluxDB 2 for the tests: finds or starts one, sets it up, and can stop it and start it again on its data.

Looked for in this order: the server of `INFLUXDB_URL` and `INFLUXDB_TOKEN` (an all-access token; `INFLUXDB_ORG` or the
first organisation that it sees); `influxd` on the PATH; the one that `tests/influxd/build.sh` made; the official image
where a container engine answers. Nothing is left behind: the fixtures drop buckets and tokens and end processes.
"""

import csv
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3

from tests.ports import free_ports

VERSION = "2.9.1"
ORG = "home"
# Not of the buckets that the collector uses, which are for it to create.
SETUP_BUCKET = "setup"
ADMIN_TOKEN = "admin-token-of-the-tests"

# A start takes less than a second; the limit is for a machine that is busy with something else.
START_LIMIT_S = 60.0
STOP_LIMIT_S = 30.0
POLL_S = 0.02

# Queries on little data spend a quarter of their time on tidying up memory, of which there is enough for a test.
_ENVIRON = {**os.environ, "GOGC": "400"}


class ServerMissing(Exception):
    """No InfluxDB can be had on this machine; the text says where it was looked for."""


@dataclass(frozen=True)
class Api:
    """InfluxDB's HTTP API with one token, independent of the client that the collector uses."""

    url: str
    org: str
    token: str

    def call(self, method: str, path: str, body: object = None, **query: str) -> Any:  # noqa: ANN401 - JSON
        """The decoded JSON answer, None for an empty one. AssertionError with the answer's text for no 2xx."""
        answer = self._request(method, path, query, json=body)
        return answer.json() if answer.data else None

    def query(self, flux: str, now: str | None = None) -> list[dict[str, str]]:
        """The rows of all result tables as text, without InfluxDB's annotations; `now` is what `now()` says in it."""
        asked = {"query": flux} if now is None else {"query": flux, "now": now}
        answer = self._request("POST", "/api/v2/query", {"org": self.org}, json=asked)
        tables = answer.data.decode().replace("\r\n", "\n").strip("\n").split("\n\n")
        return [row for table in tables for row in csv.DictReader(table.split("\n"))]

    def write(self, bucket: str, lines: str) -> None:
        """Writes line protocol; on an error some of the lines may be written."""
        self._request("POST", "/api/v2/write", {"org": self.org, "bucket": bucket}, lines=lines)

    def org_id(self) -> str:
        """What the API wants where people give the organisation's name."""
        found: str = self.call("GET", "/api/v2/orgs", org=self.org)["orgs"][0]["id"]
        return found

    def bucket(self, name: str) -> dict[str, Any] | None:
        """The bucket as the API describes it, None if there is none that this token may see."""
        buckets = self.call("GET", "/api/v2/buckets", org=self.org, limit="100")["buckets"]
        return next((bucket for bucket in buckets if bucket["name"] == name), None)

    def create_bucket(self, name: str) -> str:
        """Creates a bucket with the database's own defaults; its id."""
        body = {"orgID": self.org_id(), "name": name, "retentionRules": []}
        created: str = self.call("POST", "/api/v2/buckets", body)["id"]
        return created

    def drop_bucket(self, name: str) -> None:
        """Deletes a bucket and what is in it, if it is there."""
        if (bucket := self.bucket(name)) is not None:
            self.call("DELETE", f"/api/v2/buckets/{bucket['id']}")

    def create_token(self, *, read: Sequence[str] = (), write: Sequence[str] = ()) -> str:
        """A token with these rights to these existing buckets, given by name, and no other right."""
        org_id = self.org_id()
        permissions = []
        for action, names in (("read", read), ("write", write)):
            for name in names:
                bucket = self.bucket(name)
                assert bucket is not None, name
                resource = {"type": "buckets", "id": bucket["id"], "orgID": org_id}
                permissions.append({"action": action, "resource": resource})
        body = {"orgID": org_id, "permissions": permissions, "description": " ".join([*read, *write])}
        created: str = self.call("POST", "/api/v2/authorizations", body)["token"]
        return created

    def drop_tokens(self, bucket: str) -> None:
        """Deletes the tokens that `create_token` made for the bucket, among others or alone."""
        for token in self.call("GET", "/api/v2/authorizations")["authorizations"]:
            if bucket in token["description"].split():
                self.call("DELETE", f"/api/v2/authorizations/{token['id']}")

    def _request(
        self, method: str, path: str, query: dict[str, str], json: object = None, lines: str | None = None
    ) -> urllib3.BaseHTTPResponse:
        url = f"{self.url}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {"Authorization": f"Token {self.token}"}
        with urllib3.PoolManager(retries=False, timeout=30) as http:
            if json is None:
                answer = http.request(method, url, headers=headers, body=lines)
            else:
                answer = http.request(method, url, headers=headers, json=json)
        assert 200 <= answer.status < 300, f"{method} {path}: {answer.status} {answer.data.decode(errors='replace')}"
        return answer


class InfluxServer:
    """An InfluxDB of one's own: a process on 127.0.0.1 with its data in `folder`. Set up when first started.

    `stop` and `start` keep the address and the data.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port, *_ = free_ports()
        self._command = _command(folder, self._port)
        self._process: subprocess.Popen[bytes] | None = None
        self.api = Api(f"http://127.0.0.1:{self._port}", ORG, ADMIN_TOKEN)

    def start(self) -> None:
        """Returns when the server answers that it is healthy. AssertionError with its last words if it does not."""
        log = self._folder / "influxd.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(self._command, env=_ENVIRON, stdout=output, stderr=output)
        deadline = time.monotonic() + START_LIMIT_S
        while not self._is_healthy():
            ended = self._process.poll()
            if ended is not None or time.monotonic() > deadline:
                self.stop()
                raise AssertionError(f"InfluxDB does not start ({ended}): {log.read_text(errors='replace')[-2000:]}")
            threading.Event().wait(POLL_S)
        setup = {"username": "admin", "password": "password-of-the-tests", "org": ORG, "bucket": SETUP_BUCKET}
        if self.api.call("GET", "/api/v2/setup")["allowed"]:
            self.api.call("POST", "/api/v2/setup", {**setup, "token": ADMIN_TOKEN})

    def stop(self) -> None:
        """Ends the process in the orderly way, and by force after `STOP_LIMIT_S`. Nothing for a server that is down."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _is_healthy(self) -> bool:
        with urllib3.PoolManager(retries=False, timeout=2) as http:
            try:
                return http.request("GET", f"{self.api.url}/health").status == 200
            except urllib3.exceptions.HTTPError:
                return False


@contextmanager
def shared_server(folder: Path) -> Iterator[Api]:
    """The server of the environment, else one of our own for as long as the context lasts. Raises ServerMissing."""
    url, token = os.environ.get("INFLUXDB_URL"), os.environ.get("INFLUXDB_TOKEN")
    if url and token:
        api = Api(url.rstrip("/"), os.environ.get("INFLUXDB_ORG", ""), token)
        yield api if api.org else Api(api.url, api.call("GET", "/api/v2/orgs")["orgs"][0]["name"], token)
        return
    with own_server(folder) as server:
        yield server.api


@contextmanager
def own_server(folder: Path) -> Iterator[InfluxServer]:
    """A started server that the caller may stop and start. Raises ServerMissing."""
    server = InfluxServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _command(folder: Path, port: int) -> list[str]:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    built = cache / "apsystems-collector" / f"influxd-{VERSION}" / "influxd"
    program = shutil.which("influxd") or (str(built) if built.exists() else None)
    if program:
        return [program, *_arguments(str(folder), f"127.0.0.1:{port}")]
    docker = shutil.which("docker")
    if docker and subprocess.run([docker, "info"], capture_output=True, check=False).returncode == 0:
        run = [docker, "run", "--rm", "--user", f"{os.getuid()}:{os.getgid()}"]
        run += ["--publish", f"127.0.0.1:{port}:8086", "--volume", f"{folder}:/var/lib/influxdb2"]
        return [*run, f"influxdb:{VERSION}", "influxd", *_arguments("/var/lib/influxdb2", ":8086")]
    raise ServerMissing(
        f"no InfluxDB: INFLUXDB_URL and INFLUXDB_TOKEN are not set, there is no influxd on the PATH nor {built}"
        " (tests/influxd/build.sh makes it), and no container engine answers"
    )


def _arguments(folder: str, address: str) -> list[str]:
    return [
        f"--http-bind-address={address}",
        f"--bolt-path={folder}/influxd.bolt",
        f"--sqlite-path={folder}/influxd.sqlite",
        f"--engine-path={folder}/engine",
        "--reporting-disabled",
        # As in docker-compose.yml: profiles take a third of the CPU of a query.
        "--pprof-disabled",
        "--ui-disabled",
        "--log-level=error",
    ]
