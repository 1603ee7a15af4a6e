"""Whether Grafana runs and has the data source and the boards, in the site's time zone.

Without a token or password no more than that it answers can be seen. What the files of these hold is in no finding.
"""

import zoneinfo
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import trio
import urllib3

from collector.boards.roof import board as roof
from collector.boards.roof.picture import cells
from collector.boards.write import BOARDS
from collector.config.characters import read_secret
from collector.config.model import Grafana
from collector.doctor import _boards as boards
from collector.doctor.context import Context
from collector.doctor.findings import Finding, failure, listed, ok, skipped, warning

CHECK = "grafana"
# As grafana/provisioning/datasources/influxdb.yaml names it.
DATA_SOURCE = "influxdb-solar"
TIMEOUT_S = 4.0
_OK, _UNAUTHORIZED, _FORBIDDEN, _MISSING = 200, 401, 403, 404
_LOG = "with Docker: `docker compose logs grafana`"


@dataclass(frozen=True, slots=True)
class _Unreachable(Exception):
    reason: str


async def check(context: Context) -> list[Finding]:
    """Health first; the rest with what the configuration allows."""
    settings = context.config.grafana
    if settings.url is None:
        unseen = skipped(CHECK, "not looked at: no address is configured", "set grafana.url, or $GRAFANA_URL")
        return [unseen, *_in_folder(context)]
    return await trio.to_thread.run_sync(partial(_check, context, settings, settings.url), abandon_on_cancel=True)


def _check(context: Context, settings: Grafana, url: str) -> list[Finding]:
    findings: list[Finding] = []
    try:
        headers = _credentials(settings)
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it holds no text"
        findings.append(
            failure(
                CHECK,
                f"the file with Grafana's token or password can't be read: {reason}",
                "boards and data source can't be looked at",
                "check grafana.token_file or grafana.password_file, and who may read it",
            )
        )
        headers = None
    with urllib3.PoolManager(retries=False, timeout=TIMEOUT_S) as http:
        try:
            findings += _health(http, url)
            if headers:
                findings += _inside(context, _Api(http, url, headers))
            elif headers is not None:
                findings.append(
                    skipped(
                        CHECK,
                        "its boards and data source were not looked at",
                        "set grafana.token_file, or grafana.password_file for the user admin",
                    )
                )
                findings += _in_folder(context)
        except _Unreachable as exc:
            findings.append(
                failure(
                    CHECK,
                    f"Grafana at {url}: {exc.reason}",
                    "there are no boards, and no alerts; nothing is lost",
                    f"is it running, and is grafana.url right? {_LOG}",
                )
            )
    return findings


def _in_folder(context: Context) -> list[Finding]:
    """Whose version the boards are that Grafana reads, where Grafana itself can't be asked."""
    folder = context.config.grafana.dashboards
    return [] if folder is None else [boards.in_folder(context.config, folder, CHECK)]


def _credentials(settings: Grafana) -> dict[str, str]:
    """The header that opens Grafana, none without a file. Raises OSError and ValueError."""
    if settings.token_file is not None:
        return {"Authorization": f"Bearer {_secret(settings.token_file)}"}
    if settings.password_file is not None:
        return dict(urllib3.make_headers(basic_auth=f"{settings.user}:{_secret(settings.password_file)}"))
    return {}


def _secret(path: Path) -> str:
    secret = read_secret(path)
    if not secret or not secret.isprintable() or not secret.isascii():
        raise ValueError
    return secret


def _get(http: urllib3.PoolManager, url: str, headers: dict[str, str]) -> tuple[int, Any]:
    """Status and decoded JSON, None for an answer that is none."""
    try:
        answer = http.request("GET", url, headers=headers, redirect=False)
    except urllib3.exceptions.NewConnectionError:
        raise _Unreachable("no connection") from None
    except urllib3.exceptions.TimeoutError:
        raise _Unreachable(f"no answer within {TIMEOUT_S:g} s") from None
    except (urllib3.exceptions.HTTPError, UnicodeError) as exc:
        raise _Unreachable(f"the connection failed ({type(exc).__name__})") from None
    try:
        return answer.status, answer.json()
    except ValueError:
        return answer.status, None


def _health(http: urllib3.PoolManager, url: str) -> list[Finding]:
    status, said = _get(http, f"{url}/api/health", {})
    if not isinstance(said, dict) or "database" not in said:
        raise _Unreachable(f"something answers that is no Grafana (HTTP {status})")
    if status != _OK or said["database"] != "ok":
        return [
            failure(
                CHECK,
                f"Grafana at {url} says that its own database is not well",
                "boards may not open, and alerts may not be sent",
                f"{_LOG}; is its disk full?",
            )
        ]
    return [ok(CHECK, f"version {str(said.get('version', 'unknown'))[:40]} answers at {url}")]


class _Api:
    """Questions that take a right."""

    def __init__(self, http: urllib3.PoolManager, url: str, headers: dict[str, str]) -> None:
        self._http = http
        self._url = url
        self._headers = headers

    def get(self, path: str) -> tuple[int, Any]:
        return _get(self._http, f"{self._url}{path}", self._headers)

    def board(self, uid: str) -> object:
        """A board as Grafana keeps it; None where there is none to be had."""
        status, found = self.get(f"/api/dashboards/uid/{uid}")
        return found.get("dashboard") if status == _OK and isinstance(found, dict) else None


def _inside(context: Context, api: _Api) -> list[Finding]:
    status, found = api.get("/api/search?type=dash-db&limit=5000")
    if status == _UNAUTHORIZED:
        return [
            failure(
                CHECK,
                "Grafana does not know this user or token",
                "boards and data source can't be looked at",
                "check grafana.user and the file; a password that was changed in Grafana's pages is not in the file",
            )
        ]
    listing = found if status == _OK and isinstance(found, list) else []
    return [*_boards(context, api, listing), *_data_source(api), *_zone(context, api)]


def _boards(context: Context, api: _Api, found: list[Any]) -> list[Finding]:
    present = {board.get("uid") for board in found if isinstance(board, dict)}
    wanted = {str(board["uid"]): str(board["title"]) for board in (build() for build in BOARDS)}
    if context.config.grafana.boards is not None:
        own = roof.build(cells(context.config.inverter))
        wanted[str(own["uid"])] = str(own["title"])
    missing = [title for uid, title in wanted.items() if uid not in present]
    if not missing:
        return [ok(CHECK, f"all {len(wanted)} boards are there"), boards.compare(context.config, api.board, CHECK)]
    return [
        failure(
            CHECK,
            f"{len(missing)} of {len(wanted)} boards are missing: {listed(missing)}",
            "what they show can't be looked at",
            "give Grafana the folders grafana/provisioning and grafana/dashboards, as docker-compose.yml does, and"
            f" restart it; a user without rights to them sees none either; {_LOG}",
        )
    ]


def _data_source(api: _Api) -> list[Finding]:
    status, said = api.get(f"/api/datasources/uid/{DATA_SOURCE}/health")
    message = str(said.get("message", "")) if isinstance(said, dict) else ""
    message = "".join(character for character in message[:200] if character.isprintable())
    if status == _FORBIDDEN:
        return [skipped(CHECK, "this user may not try the data source", "use one that may, as admin")]
    if status == _OK and isinstance(said, dict) and said.get("status") == "OK":
        return [ok(CHECK, f"its data source reads InfluxDB: {message}")]
    if status == _MISSING:
        return [
            failure(
                CHECK,
                f"the data source {DATA_SOURCE} is missing",
                "every board is empty",
                "give Grafana the folder grafana/provisioning/datasources, and restart it",
            )
        ]
    return [
        failure(
            CHECK,
            f"its data source can't read InfluxDB: {message or f'HTTP {status}'}",
            "every board is empty, though InfluxDB may have everything",
            "is INFLUXDB_URL right as Grafana sees it, and its token of this InfluxDB? With Docker"
            " `docker compose up -d` runs the step `accounts`, which replaces a token that is of no use; then"
            " `docker compose restart grafana`",
        )
    ]


def _zone(context: Context, api: _Api) -> list[Finding]:
    status, said = api.get("/api/frontend/settings")
    formats = said.get("dateFormats") if status == _OK and isinstance(said, dict) else None
    zone = formats.get("defaultTimezone") if isinstance(formats, dict) else None
    wanted = context.config.site.timezone
    if not isinstance(zone, str) or zone == wanted or _same_clock(zone, wanted):
        return [] if zone is None else [ok(CHECK, f"its time zone is the site's, {wanted}")]
    return [
        warning(
            CHECK,
            f"its time zone is {zone[:60]!r}, and the site's is {wanted}",
            "days on the boards begin and end at another hour than in InfluxDB",
            "set SOLAR_TIMEZONE in .env and run `docker compose up -d`, or without Docker"
            " GF_DATE_FORMATS_DEFAULT_TIMEZONE for Grafana",
        )
    ]


def _same_clock(one: str, other: str) -> bool:
    """Names of the same zone, as UTC and Etc/UTC."""
    try:
        first, second = zoneinfo.ZoneInfo(one.upper() if one == "utc" else one), zoneinfo.ZoneInfo(other)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return all(
        first.utcoffset(datetime(year, month, 1)) == second.utcoffset(datetime(year, month, 1))  # noqa: DTZ001
        for year in (2020, 2026)
        for month in range(1, 13)
    )
