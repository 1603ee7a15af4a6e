"""One conversation with Home Assistant: its websocket, from the greeting on, and the few commands that are sent.

Every wait has an end, and whatever goes wrong is a HomeAssistantError. The token is read from its file each time.
"""

import json
import re
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import urlsplit

import trio
from trio_websocket import ConnectionClosed, ConnectionRejected, WebSocketConnection, wrap_client_stream

from collector.clock.stamps import NS
from collector.config.model import HomeAssistant
from collector.config.values import token_in
from collector.errors import CollectorError
from collector.outputs.homeassistant import _faults
from collector.outputs.homeassistant._faults import HomeAssistantError
from collector.outputs.homeassistant._series import Row, Series

_T = TypeVar("_T")

# Home Assistant answers in milliseconds; a small machine that is busy with something else may take a while.
CONNECT_S: Final = 20.0
ANSWER_S: Final = 60.0
_LEAVE_S: Final = 2.0
# A year of hours of one series, and more than that.
_MOST_BYTES: Final = 8_000_000
# Since then the kind of a mean and that of a unit are part of a series; before it refuses these two words.
_KINDS_SINCE: Final = (2025, 11)
_VERSION: Final = re.compile(r"(\d{4})\.(\d{1,2})\b")
_MWH_A_KWH: Final = 1_000_000


class Session:
    """A connection after the greeting. For one task at a time."""

    def __init__(self, socket: WebSocketConnection, where: str, version: str) -> None:
        self.where = where
        self.version = version
        self._socket = socket
        self._number = 0

    async def user(self) -> tuple[str, bool]:
        """Whose the token is, and whether that is an administrator."""
        user = await self._ask("auth/current_user")
        return str(user.get("name", "")), bool(user.get("is_admin"))

    async def send(self, series: Series, rows: Sequence[Row]) -> None:
        """Put rows into a series, in the place of what is there at these hours."""
        metadata: dict[str, object] = {
            "source": series.statistic_id.partition(":")[0],
            "statistic_id": series.statistic_id,
            "name": series.name,
            "unit_of_measurement": "kWh",
            "has_mean": False,
            "has_sum": True,
        }
        if self._has_kinds:
            metadata |= {"mean_type": 0, "unit_class": "energy"}
        # In a thread, since thousands of rows take a small machine longer than a gateway should wait for its answer.
        stats = await trio.to_thread.run_sync(_stats, rows)
        await self._ask("recorder/import_statistics", metadata=metadata, stats=stats)

    async def sums(self, series: Series, first: int, last: int) -> list[tuple[int, int]]:
        """What a series holds of the hours that begin from `first` to `last` (ns): the hour and its sum in mWh."""
        found = await self._ask(
            "recorder/statistics_during_period",
            start_time=_iso(first),
            # What begins at the end does not belong to it.
            end_time=_iso(last + 1800 * NS),
            statistic_ids=[series.statistic_id],
            period="hour",
            types=["sum"],
            units={"energy": "kWh"},
        )
        rows = found.get(series.statistic_id, [])
        return [
            (int(row["start"]) * (NS // 1000), round(row["sum"] * _MWH_A_KWH))
            for row in rows
            if row.get("sum") is not None
        ]

    @property
    def _has_kinds(self) -> bool:
        found = _VERSION.match(self.version)
        return found is None or (int(found[1]), int(found[2])) >= _KINDS_SINCE

    async def _ask(self, kind: str, **words: object) -> Any:  # noqa: ANN401 (JSON)
        self._number += 1
        await _send(self._socket, self.where, {"id": self._number, "type": kind, **words})
        while True:
            answer = await _receive(self._socket, self.where)
            if answer.get("id") == self._number and answer.get("type") == "result":
                break
        if not answer.get("success"):
            error = answer.get("error") or {}
            raise _faults.of_answer(self.where, str(error.get("code")), str(error.get("message")))
        return answer.get("result") or {}


async def converse(settings: HomeAssistant, talk: Callable[[Session], Awaitable[_T]]) -> _T:
    """Connect, say who one is, talk, and leave. Raises HomeAssistantError, and the errors that `talk` raises."""
    token = await trio.to_thread.run_sync(_token, settings, abandon_on_cancel=True)
    there = _there(settings)
    stream = await _open(there, settings)
    # A failure is taken out of the nursery by hand, which would put it into a group.
    failure: CollectorError | None = None
    found: list[_T] = []
    try:
        async with trio.open_nursery() as nursery:
            try:
                socket = await _upgrade(nursery, stream, there)
                found.append(await talk(Session(socket, there.where, await _greet(socket, there.where, token))))
            except CollectorError as exc:
                failure = exc
            except ConnectionClosed as exc:
                failure = _faults.ended(there.where, _told(exc))
            else:
                with trio.move_on_after(_LEAVE_S):
                    await socket.aclose()
            nursery.cancel_scope.cancel()
    except* ConnectionRejected as group:
        failure = _faults.rejected(there.where, _status(group))
    except* ConnectionClosed:
        failure = failure or _faults.ended(there.where, "has broken off the connection")
    finally:
        # The library leaves it open when the other side closes first.
        await trio.aclose_forcefully(stream)
    if failure:
        raise failure
    return found[0]


_Stream = trio.SocketStream | trio.SSLStream[trio.SocketStream]


class _There(NamedTuple):
    host: str
    port: int
    resource: str
    is_tls: bool

    @property
    def where(self) -> str:
        return f"{self.host}:{self.port}"


def _there(settings: HomeAssistant) -> _There:
    parts = urlsplit(settings.url)
    is_tls = parts.scheme == "https"
    # The Supervisor, which passes an app's requests on to Home Assistant, has its own path for this one.
    resource = f"{parts.path}/websocket" if parts.path.endswith("/core") else f"{parts.path}/api/websocket"
    return _There(parts.hostname or "", parts.port or (443 if is_tls else 80), resource, is_tls)


async def _open(there: _There, settings: HomeAssistant) -> _Stream:
    try:
        with trio.fail_after(CONNECT_S):
            stream = await trio.open_tcp_stream(there.host, there.port)
            return await _encrypted(stream, there, settings) if there.is_tls else stream
    except trio.TooSlowError:
        raise _faults.no_answer(there.where) from None
    except (trio.BrokenResourceError, OSError) as exc:
        raise _faults.of_connecting(exc, there.where, there.host) from None


async def _encrypted(stream: trio.SocketStream, there: _There, settings: HomeAssistant) -> _Stream:
    try:
        context = await trio.to_thread.run_sync(_trust, settings, abandon_on_cancel=True)
        encrypted = trio.SSLStream(stream, context, server_hostname=there.host, https_compatible=True)
        await encrypted.do_handshake()
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return encrypted


async def _upgrade(nursery: trio.Nursery, stream: _Stream, there: _There) -> WebSocketConnection:
    try:
        with trio.fail_after(CONNECT_S):
            return await wrap_client_stream(nursery, stream, there.where, there.resource, max_message_size=_MOST_BYTES)
    except trio.TooSlowError:
        raise _faults.no_websocket(there.where) from None


def _token(settings: HomeAssistant) -> str:
    try:
        return token_in(settings.token_file)
    except OSError as exc:
        raise _faults.no_token(settings.token_file, exc.strerror or type(exc).__name__) from None
    except ValueError as exc:
        raise _faults.no_token(settings.token_file, str(exc)) from None


def _trust(settings: HomeAssistant) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except (OSError, ssl.SSLError) as exc:
        what = getattr(exc, "strerror", None) or "it holds no certificate"
        raise HomeAssistantError(
            f"no certificate in {settings.ca_file}: {what}", "see that homeassistant.ca_file is a file with one in PEM"
        ) from None


async def _greet(socket: WebSocketConnection, where: str, token: str) -> str:
    """Say who one is; returns Home Assistant's version."""
    greeting = await _receive(socket, where)
    if greeting.get("type") not in ("auth_required", "auth_ok"):
        raise _faults.not_home_assistant(where, "its websocket does not ask who one is")
    await _send(socket, where, {"type": "auth", "access_token": token})
    answer = await _receive(socket, where)
    if answer.get("type") == "auth_invalid":
        raise _faults.token_refused(where)
    if answer.get("type") != "auth_ok":
        raise _faults.not_home_assistant(where, "its websocket does not say whether it takes the token")
    return str(answer.get("ha_version") or greeting.get("ha_version") or "")


async def _send(socket: WebSocketConnection, where: str, message: Mapping[str, object]) -> None:
    text = await trio.to_thread.run_sync(json.dumps, message)
    try:
        with trio.fail_after(ANSWER_S):
            await socket.send_message(text)
    except trio.TooSlowError:
        raise _faults.ended(where, "takes nothing in any more") from None


async def _receive(socket: WebSocketConnection, where: str) -> dict[str, Any]:
    try:
        with trio.fail_after(ANSWER_S):
            text = await socket.get_message()
    except trio.TooSlowError:
        raise _faults.ended(where, "gives no answer in time") from None
    try:
        message = json.loads(text)
    except ValueError:
        message = None
    if not isinstance(message, dict):
        raise _faults.not_home_assistant(where, "its websocket does not speak JSON")
    return message


def _told(exc: ConnectionClosed) -> str:
    reason = exc.reason
    return f"has closed the connection{f' ({reason.name})' if reason and reason.name else ''}"


def _status(group: BaseExceptionGroup[ConnectionRejected]) -> int:
    first = group.exceptions[0]
    return _status(first) if isinstance(first, BaseExceptionGroup) else first.status_code


def _stats(rows: Sequence[Row]) -> list[dict[str, object]]:
    return [
        {"start": _iso(row.start), "sum": row.sum_mwh / _MWH_A_KWH, "state": row.state_mwh / _MWH_A_KWH} for row in rows
    ]


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at // NS, UTC).isoformat()
