"""Makes what the containers share before they can work: `python -m collector.provision secrets|accounts FOLDER`.

Promises: each step does what is still to be done and leaves the rest, so that both can run at every start and a run
that was cut off is completed by the next; a file of a secret is there whole or not at all; no line holds a secret.
Refuses: to replace a password or key, which a database may already have been set up with; to make tokens, and so take
back those in use, for a folder that the first step has not filled.

`secrets` fills `influxdb` and `grafana` in FOLDER with random passwords, a key, and InfluxDB's first token.
`accounts` asks InfluxDB, by that token, for the buckets and for two tokens that may do less: `collector` reads and
writes the two buckets, `grafana` reads them. InfluxDB keeps a hash of a token and can't show it again, so a token
whose file is lost, or whose buckets were made anew, is replaced.

FOLDER has a folder for each container, which is a volume of its own: what a container does not mount it can't read.
"""

import argparse
import contextlib
import logging
import os
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import urllib3

from collector import authority, config, durable
from collector.deadline import CallEnded, Calls
from collector.errors import CollectorError, ConfigError, SinkUnavailable
from collector.influx import InfluxSink

_T = TypeVar("_T")

logger = logging.getLogger(__name__)

# Without those that look alike: a password is read on one screen and typed into another.
_PASSWORD_CHARACTERS = "abcdefghijkmnpqrstuvwxyz23456789"  # noqa: S105
_PASSWORD_GROUPS = 5
_GROUP_CHARACTERS = 5
_KEY_BYTES = 32

# The containers run as different users, so a file for another one than the collector's is readable to all who see it.
_READABLE_IN_ITS_VOLUME = 0o444
_READABLE_BY_ITS_OWNER = 0o400

_FIRST_TOKEN = "influxdb/admin_token"  # noqa: S105

_TIMEOUT_S = 30.0
_DEADLINE_S = 3 * _TIMEOUT_S
_UNAUTHORIZED = 401
_FIRST_ERROR = 400

# Where docker-compose.yml shows Grafana its folder.
_SHOWN_PASSWORD = "/run/secrets/admin_password"  # noqa: S105


def _password() -> str:
    count = _PASSWORD_GROUPS * _GROUP_CHARACTERS
    letters = "".join(secrets.choice(_PASSWORD_CHARACTERS) for _ in range(count))
    return "-".join(letters[start : start + _GROUP_CHARACTERS] for start in range(0, count, _GROUP_CHARACTERS))


def _key() -> str:
    return secrets.token_hex(_KEY_BYTES)


_SECRETS: Mapping[str, Callable[[], str]] = {
    "influxdb/admin_password": _password,
    _FIRST_TOKEN: _key,
    "grafana/admin_password": _password,
    "grafana/secret_key": _key,
}


@dataclass(frozen=True)
class _Account:
    """A token of InfluxDB's: in whose folder it is, and what it may do with the two buckets."""

    owner: str
    actions: tuple[str, ...]
    mode: int

    def description(self, bucket: str) -> str:
        """What InfluxDB's own pages call the token; by the bucket two installations in one database stay apart."""
        return f"{bucket}: {self.owner}"

    def file(self, folder: Path) -> Path:
        return folder / self.owner / "influxdb_token"


_ACCOUNTS = (
    _Account("collector", ("read", "write"), _READABLE_BY_ITS_OWNER),
    _Account("grafana", ("read",), _READABLE_IN_ITS_VOLUME),
)


def make_secrets(folder: Path) -> list[str]:
    """Make the secrets that are missing below `folder`; the names of those made. Raises OSError."""
    made = [name for name in _SECRETS if not _stored(folder / name)]
    for name in made:
        _store(folder / name, _SECRETS[name](), _READABLE_IN_ITS_VOLUME)
        logger.info("secret made file=%s", folder / name)
    return made


def make_accounts(influxdb: config.InfluxDB, folder: Path) -> list[str]:
    """Make the buckets, and the tokens that are missing or of no use, below `folder`; the owners of the tokens made.

    An owner that already runs has read its former token, so the log asks for its restart.
    The token of `influxdb` is the one that the database was set up with. Raises SinkUnavailable and OSError, and
    CollectorError for a folder without the first step's secrets.
    """
    if not (folder / _FIRST_TOKEN).exists():
        raise CollectorError(
            f"there is no {folder / _FIRST_TOKEN}: name the folder that the step `secrets` has filled; nothing was"
            " changed"
        )
    api = _Api(influxdb.url, influxdb.token.get_secret_value(), influxdb.ca_file)
    try:
        org_id = api.org_id(influxdb.org)
    except _UnknownTokenError:
        if api.wants_setup():
            raise SinkUnavailable(
                f"InfluxDB at {influxdb.url} was not set up yet: do that first, by a POST to /api/v2/setup with the"
                " password and the token of the step `secrets` (docs/bare-metal.md has the command)"
            ) from None
        raise SinkUnavailable(
            f"InfluxDB at {influxdb.url} does not know the token that it was set up with: its data and the secrets are"
            " from different installations. Put the one that was lost back from a backup, or make a new operator token"
            " ('influxd recovery auth create-operator') and store it as admin_token"
        ) from None

    names = (influxdb.bucket, influxdb.rollup_bucket)
    sink = InfluxSink(influxdb.url, influxdb.org, influxdb.token.get_secret_value(), *names, ca_file=influxdb.ca_file)
    with contextlib.closing(sink):
        sink.connect()
    buckets = {api.bucket_id(org_id, name) for name in names}

    described = {account: account.description(influxdb.bucket) for account in _ACCOUNTS}
    made = [
        account for account in described if not _is_of_use(account, described[account], api, org_id, buckets, folder)
    ]
    for account in made:
        former = api.tokens(org_id, described[account])
        replaced = bool(former or _stored(account.file(folder)))
        _store(
            account.file(folder), api.create_token(org_id, described[account], account.actions, buckets), account.mode
        )
        for token_id in former:
            api.delete_token(token_id)
        logger.info("token made file=%s may=%s", account.file(folder), ",".join(account.actions))
        if replaced:
            logger.warning(
                "token replaced, so restart: %s (docker compose restart %s; without containers first copy %s to where"
                " it reads it, as /etc/%s/influxdb_token)",
                account.owner,
                account.owner,
                account.file(folder),
                account.owner,
            )
    return [account.owner for account in made]


def _is_of_use(account: _Account, description: str, api: "_Api", org_id: str, buckets: set[str], folder: Path) -> bool:
    """Whether the account's file holds the one token that InfluxDB has for it, with the rights that it should have.

    Two of one description are left by a run that was cut off, and nothing tells which of them is in the file.
    """
    token = _stored(account.file(folder))
    rights = {(action, bucket) for action in account.actions for bucket in buckets}
    if not token or not token.isprintable() or list(api.tokens(org_id, description).values()) != [rights]:
        return False
    try:
        return api.with_token(token).bucket_ids(org_id) >= buckets
    except _UnknownTokenError:
        return False


class _UnknownTokenError(Exception):
    """InfluxDB does not know the token."""


class _Api:
    """The requests to InfluxDB that a sink has no need of; each raises SinkUnavailable or _UnknownTokenError."""

    def __init__(self, url: str, token: str, ca_file: Path | None) -> None:
        self._url = url
        self._ca_file = ca_file
        self._headers = {"Authorization": f"Token {token}"}

    def with_token(self, token: str) -> "_Api":
        return _Api(self._url, token, self._ca_file)

    def org_id(self, name: str) -> str:
        found = self._request(
            "GET", "/api/v2/orgs", {"org": name}, lambda said: [str(org["id"]) for org in said["orgs"]]
        )
        if not found:
            raise SinkUnavailable(f"InfluxDB at {self._url} shows this token no organisation '{name}'")
        return found[0]

    def bucket_id(self, org_id: str, name: str) -> str:
        query = {"orgID": org_id, "name": name}
        return self._request("GET", "/api/v2/buckets", query, lambda said: str(said["buckets"][0]["id"]))

    def bucket_ids(self, org_id: str) -> set[str]:
        """The buckets that the token may read."""
        query = {"orgID": org_id, "limit": "100"}
        return self._request("GET", "/api/v2/buckets", query, lambda said: {bucket["id"] for bucket in said["buckets"]})

    def tokens(self, org_id: str, description: str) -> dict[str, set[tuple[str, str]]]:
        """The tokens of this description by their ids, each with its rights: an action and the bucket it is for."""
        return self._request(
            "GET",
            "/api/v2/authorizations",
            {"orgID": org_id},
            lambda said: {
                token["id"]: _rights(token) for token in said["authorizations"] if token["description"] == description
            },
        )

    def create_token(self, org_id: str, description: str, actions: Sequence[str], buckets: set[str]) -> str:
        permissions = [
            {"action": action, "resource": {"type": "buckets", "id": bucket, "orgID": org_id}}
            for action in actions
            for bucket in sorted(buckets)
        ]
        wanted = {"orgID": org_id, "description": description, "permissions": permissions}
        return self._request("POST", "/api/v2/authorizations", None, lambda said: str(said["token"]), body=wanted)

    def delete_token(self, token_id: str) -> None:
        self._request("DELETE", f"/api/v2/authorizations/{token_id}", None, lambda _: None)

    def wants_setup(self) -> bool:
        """Whether it has neither a user nor a token yet."""
        return self._request("GET", "/api/v2/setup", None, lambda said: bool(said["allowed"]))

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        wanted: Callable[[Any], _T],
        *,
        body: object = None,
    ) -> _T:
        """`wanted` picks from the answer's JSON what is asked for."""
        try:
            with (
                urllib3.PoolManager(
                    headers=self._headers,
                    retries=False,
                    timeout=_TIMEOUT_S,
                    ca_certs=self._ca_file and str(self._ca_file),
                    ssl_context=self._ca_file and authority.trusting(),
                ) as http,
                Calls(http).limited(_DEADLINE_S),
            ):
                answer = http.request(method, self._url + path, fields=query, json=body)
                content = answer.json() if answer.data else {}
        except CallEnded as exc:
            raise SinkUnavailable(f"InfluxDB at {self._url}: {exc}") from None
        except urllib3.exceptions.SSLError as exc:
            raise SinkUnavailable(
                f"the encrypted connection to InfluxDB at {self._url} failed ({exc}); for a certificate of your own"
                " name the file with its authority's in influxdb.ca_file or INFLUXDB_CA_FILE"
            ) from None
        except urllib3.exceptions.HTTPError as exc:
            raise SinkUnavailable(f"InfluxDB at {self._url} gives no answer ({type(exc).__name__})") from None
        except ValueError:
            raise self._stranger() from None
        if answer.status == _UNAUTHORIZED:
            raise _UnknownTokenError
        try:
            if answer.status >= _FIRST_ERROR:
                said = f"HTTP {answer.status}: {content.get('message')}"
                raise SinkUnavailable(f"InfluxDB at {self._url} refuses {method} {path} ({said})")
            return wanted(content)
        except (LookupError, TypeError, AttributeError):
            raise self._stranger() from None

    def _stranger(self) -> SinkUnavailable:
        return SinkUnavailable(f"{self._url} does not answer as InfluxDB 2 does; check INFLUXDB_URL")


def _rights(token: Mapping[str, Any]) -> set[tuple[str, str]]:
    return {(permission["action"], permission["resource"].get("id", "")) for permission in token["permissions"]}


def _stored(path: Path) -> str:
    """The secret in the file; empty if there is none."""
    try:
        # What is no text is none of ours, and yet there.
        return path.read_text(encoding="ascii", errors="backslashreplace").strip()
    except FileNotFoundError:
        return ""


def _store(path: Path, secret: str, mode: int) -> None:
    """Put the file there in one step, so that neither a reader nor a power cut ever meets a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600, exist_ok=False)
    with draft.open("w", encoding="ascii") as file:
        file.write(f"{secret}\n")
        file.flush()
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())
    draft.replace(path)
    durable.sync(path.parent)


def _run(step: str, folder: Path, environ: Mapping[str, str]) -> None:
    if step == "secrets":
        make_secrets(folder)
        logger.info(
            "the password of Grafana's user admin is in %s (with Docker: docker compose exec grafana cat %s)",
            folder / "grafana" / "admin_password",
            _SHOWN_PASSWORD,
        )
        return
    influxdb = config.load(None, environ).influxdb
    if influxdb is None:
        raise ConfigError(["influxdb: missing (or set INFLUXDB_URL)"])
    make_accounts(influxdb, folder)


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Run one step; the exit code: 0 done, 1 not possible now, 2 wrong usage or configuration, 130 broken off."""
    parser = argparse.ArgumentParser(prog="python -m collector.provision", description="Prepares the containers.")
    parser.add_argument("step", choices=("secrets", "accounts"))
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="has, or gets, a folder for each container")
    chosen = parser.parse_args(arguments)
    try:
        _run(chosen.step, chosen.folder, environ)
    except ConfigError as exc:
        for fault in exc.faults:
            logger.error("%s", fault)  # noqa: TRY400 - a fault of the owner's has no traceback
        return 2
    except (CollectorError, OSError) as exc:
        logger.error("%s", exc)  # noqa: TRY400 - nor has one of the world's
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    sys.exit(main())
