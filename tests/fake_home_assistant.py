"""A Home Assistant for tests, as far as its statistics go: its websocket's words, and a recorder behind a queue.

What it answers, and what it refuses in which words, was recorded from Home Assistant 2025.4.4 and 2026.11.0;
tests/outputs/test_real_home_assistant.py holds the collector against real ones. It is stricter than these: what they
only warn of is refused here.
"""

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, serve_websocket

TOKEN = "a-long-lived-token"

_METADATA = {"source", "statistic_id", "name", "unit_of_measurement", "has_mean", "has_sum"}
_KINDS = {"mean_type": 0, "unit_class": "energy"}


class Mood(Enum):
    """What it does wrong with a command, after `good_for` of them."""

    WELL = auto()
    HANG = auto()
    RESET = auto()
    REFUSE = auto()
    # Takes rows, and never writes them: as while it starts, or when its disk is full.
    FORGET = auto()
    # Says nothing at all, not even who it is.
    MUTE = auto()
    # Answers what is no JSON.
    BABBLE = auto()


@dataclass
class FakeHomeAssistant:
    """`rows` are what it holds: by series and by the hour's start (as sent), sum and state in kWh."""

    version: str = "2026.11.0"
    is_admin: bool = True
    mood: Mood = Mood.WELL
    good_for: int = 0
    rows: dict[str, dict[datetime, tuple[float, float]]] = field(default_factory=dict)
    metadata: dict[str, dict[str, Any]] = field(default_factory=dict)
    # How many rows each command that put some in had.
    imports: list[int] = field(default_factory=list)
    greeted: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        """As the owner writes it."""
        return f"http://127.0.0.1:{self.port}"

    def sums(self, statistic_id: str) -> dict[datetime, float]:
        """The sum at each hour's end, in kWh."""
        return {start: row[0] for start, row in sorted(self.rows.get(statistic_id, {}).items())}

    def changes_mwh(self, statistic_id: str) -> dict[datetime, int]:
        """What its Energy dashboard shows for each hour, where that is not nothing."""
        found, before = {}, 0.0
        for start, kwh in self.sums(statistic_id).items():
            if mwh := round((kwh - before) * 1_000_000):
                found[start] = mwh
            before = kwh
        return found

    @asynccontextmanager
    async def serving(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[None]:
        """Listen on `port`, or one that is free."""
        async with trio.open_nursery() as nursery:
            server = await nursery.start(serve_websocket, self._welcome, "127.0.0.1", self.port, tls)
            self.port = server.port
            yield
            nursery.cancel_scope.cancel()

    async def _welcome(self, request: WebSocketRequest) -> None:
        if request.path not in ("/api/websocket", "/core/websocket"):
            await request.reject(404)
            return
        socket = await request.accept()
        try:
            await self._converse(socket)
        except ConnectionClosed:
            return

    async def _converse(self, socket: WebSocketConnection) -> None:
        if self.mood is Mood.MUTE:
            await trio.sleep_forever()
        self.greeted += 1
        await _send(socket, {"type": "auth_required", "ha_version": self.version})
        said = json.loads(await socket.get_message())
        assert set(said) == {"type", "access_token"}, said
        if said["access_token"] != TOKEN:
            await _send(socket, {"type": "auth_invalid", "message": "Invalid access token or password"})
            return
        await _send(socket, {"type": "auth_ok", "ha_version": self.version})
        number = 0
        while True:
            command = json.loads(await socket.get_message())
            assert command["id"] > number, "numbers of commands have to rise"
            number = command["id"]
            if self.good_for > 0:
                self.good_for -= 1
                await self._answer(socket, command)
                continue
            match self.mood:
                case Mood.HANG:
                    await trio.sleep_forever()
                case Mood.RESET:
                    return
                case Mood.REFUSE:
                    await _fail(socket, number, "unknown_error", "Unknown error")
                case Mood.BABBLE:
                    await socket.send_message("<html>")
                case _:
                    await self._answer(socket, command)

    async def _answer(self, socket: WebSocketConnection, command: dict[str, Any]) -> None:
        number, kind = command.pop("id"), command.pop("type")
        match kind:
            case "auth/current_user":
                user = {"id": "d604ecb6", "name": "Owner", "is_owner": self.is_admin, "is_admin": self.is_admin}
                await _succeed(socket, number, user)
            case "recorder/import_statistics" if not self.is_admin:
                await _fail(socket, number, "unauthorized", "Unauthorized")
            case "recorder/import_statistics":
                if fault := self._fault(**command):
                    await _fail(socket, number, "invalid_format", fault)
                    return
                await _succeed(socket, number, None)
                if self.mood is not Mood.FORGET:
                    self._take(**command)
            case "recorder/statistics_during_period":
                await _succeed(socket, number, self._found(**command))
            case _:
                await _fail(socket, number, "unknown_command", "Unknown command.")

    def _fault(self, metadata: dict[str, Any], stats: list[dict[str, Any]]) -> str:
        wanted = _METADATA | (set(_KINDS) if self._has_kinds else set())
        if odd := set(metadata) ^ wanted:
            return f"extra keys not allowed @ data['metadata']['{min(odd)}']. Got 0"
        if not all(set(row) == {"start", "sum", "state"} for row in stats):
            return "required key not provided"
        starts = [datetime.fromisoformat(row["start"]) for row in stats]
        if any(start.utcoffset() is None or start.minute or start.second for start in starts):
            return "Invalid timestamp: timestamps must be from the top of the hour (minutes and seconds = 0)"
        domain, _, name = metadata["statistic_id"].partition(":")
        if metadata["source"] != domain or "__" in name or not name.replace("_", "a").isalnum() or name != name.lower():
            return "Invalid statistic_id"
        return ""

    @property
    def _has_kinds(self) -> bool:
        year, month, *_ = self.version.split(".")
        return (int(year), int(month)) >= (2025, 11)

    def _take(self, metadata: dict[str, Any], stats: list[dict[str, Any]]) -> None:
        self.imports.append(len(stats))
        self.metadata[metadata["statistic_id"]] = metadata
        rows = self.rows.setdefault(metadata["statistic_id"], {})
        rows.update({datetime.fromisoformat(row["start"]): (row["sum"], row["state"]) for row in stats})

    def _found(
        self,
        start_time: str,
        end_time: str,
        statistic_ids: list[str],
        period: str,
        types: list[str],
        units: dict[str, str],
    ) -> dict[str, list[dict[str, float]]]:
        assert (period, types, units) == ("hour", ["sum"], {"energy": "kWh"})
        first, last = map(datetime.fromisoformat, (start_time, end_time))
        found = {}
        for name in statistic_ids:
            rows = [
                {
                    "start": int(start.timestamp() * 1000),
                    "end": int((start + timedelta(hours=1)).timestamp() * 1000),
                    "sum": kwh,
                }
                for start, kwh in self.sums(name).items()
                if first <= start < last
            ]
            if rows:
                found[name] = rows
        return found


async def _send(socket: WebSocketConnection, message: dict[str, object]) -> None:
    await socket.send_message(json.dumps(message))


async def _succeed(socket: WebSocketConnection, number: int, result: object) -> None:
    await _send(socket, {"id": number, "type": "result", "success": True, "result": result})


async def _fail(socket: WebSocketConnection, number: int, code: str, message: str) -> None:
    error = {"code": code, "message": message}
    await _send(socket, {"id": number, "type": "result", "success": False, "error": error})
