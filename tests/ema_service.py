"""A stand-in of the vendor's OpenAPI: a site with its days, a quota, and the codes that others report of the service.

Its answers are composed here, in the shape that others' clients read.
"""

import base64
import json
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from http.server import BaseHTTPRequestHandler
from typing import Self
from urllib.parse import parse_qs, urlsplit

from tests.fake_http import FakeHandler, FakeServer

APP_ID, SECRET, SYSTEM = "2c9f0123456789abcdef0123456789ab", "s3cretS3cret", "AZ12126A40BC"
_NO_DATA, _QUOTA, _WRONG_PARAMETER, _WRONG_SIGNATURE = 1001, 2005, 4000, 4001


@dataclass
class Site:
    """kWh of days by inverter and input, and W of days by gateway: times, and a row for each inverter and input."""

    ecus: Mapping[str, Mapping[str, str]]
    kwh: Mapping[tuple[str, int], Mapping[date, float]] = field(default_factory=dict)
    watts: Mapping[tuple[str, date], tuple[list[str], Mapping[str, list[float]]]] = field(default_factory=dict)
    create_date: str = "2025-01-01"
    timezone: str = "Europe/Amsterdam"


class EmaService:
    """Answers while it is used as a context manager. `quota` is how many calls it still answers, `faults` are codes
    that the next calls get instead. Whether a signature is right, OpenSSL says.
    """

    def __init__(self, site: Site, quota: int = 10_000) -> None:
        self.site = site
        self.quota = quota
        self.faults: list[int] = []
        self.asked: list[str] = []
        self.checks_signatures = False
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()
        self._thread.join()

    def answer(self, path: str, headers: Mapping[str, str]) -> dict[str, object]:
        """What the service says to one call."""
        parts = urlsplit(path)
        self.asked.append(path)
        if self.checks_signatures and not _is_signed(parts.path, headers):
            return {"code": _WRONG_SIGNATURE}
        if self.quota <= 0:
            return {"code": _QUOTA}
        self.quota -= 1
        if self.faults:
            return {"code": self.faults.pop(0)}
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        data = self._data(parts.path.removeprefix("/user/api/v2/systems/").split("/"), query)
        return {"code": _NO_DATA} if data is None else data if "code" in data else {"code": 0, **data}

    def _data(self, words: list[str], query: Mapping[str, str]) -> dict[str, object] | None:
        match words:
            case ["details", system] if system == SYSTEM:
                return {"data": {"sid": SYSTEM, "create_date": self.site.create_date, "ecu": list(self.site.ecus)}}
            case ["inverters", system] if system == SYSTEM:
                return {"data": [self._ecu(ecu, inverters) for ecu, inverters in self.site.ecus.items()]}
            case ["summary", system] if system == SYSTEM:
                return {"data": {"lifetime": str(sum(sum(days.values()) for days in self.site.kwh.values()))}}
            case [_, "devices", "inverter", "energy", uid] if query["energy_level"] == "daily":
                return self._month(uid, query["date_range"])
            case [_, "devices", "inverter", "batch", "energy", ecu] if query["energy_level"] == "power":
                found = self.site.watts.get((ecu, date.fromisoformat(query["date_range"])))
                return found and {"data": {"time": found[0], "power": found[1]}}
        return {"code": _WRONG_PARAMETER}

    def _ecu(self, ecu: str, inverters: Mapping[str, str]) -> dict[str, object]:
        return {
            "eid": ecu,
            "type": 0,
            "timezone": self.site.timezone,
            "inverter": [{"uid": uid, "type": model} for uid, model in inverters.items()],
        }

    def _month(self, uid: str, month: str) -> dict[str, object] | None:
        found: dict[str, list[str]] = {}
        for (own, channel), days in self.site.kwh.items():
            some = {day.day: kwh for day, kwh in days.items() if f"{day:%Y-%m}" == month}
            if own == uid and some:
                found[f"e{channel}"] = [f"{some.get(number, 0.0):.2f}" for number in range(1, max(some) + 1)]
        return {"data": found} if found else None


def _is_signed(path: str, headers: Mapping[str, str]) -> bool:
    names = ("Timestamp", "Nonce", "AppId")
    told = [headers[f"X-CA-{name}"] for name in names]
    text = "/".join((*told, path.rpartition("/")[2], "GET", headers["X-CA-Signature-Method"]))
    return told[2] == APP_ID and len(told[1]) == 32 and headers["X-CA-Signature"] == hmac_by_openssl(SECRET, text)


def hmac_by_openssl(secret: str, text: str) -> str:
    """An HMAC as another program computes it."""
    command = ["openssl", "dgst", "-sha256", "-hmac", secret, "-binary"]
    done = subprocess.run(command, input=text.encode(), capture_output=True, check=True)
    return base64.b64encode(done.stdout).decode()


class _Server(FakeServer):
    def __init__(self, service: EmaService) -> None:
        super().__init__(_Handler)
        self.service = service

    def handle_error(self, *_: object) -> None:
        """A client that was killed has hung up."""


class _Handler(FakeHandler):
    server: _Server

    def reply(self) -> None:
        assert isinstance(self, BaseHTTPRequestHandler)
        body = json.dumps(self.server.service.answer(self.path, dict(self.headers))).encode()
        with suppress(OSError):  # the client has gone
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
