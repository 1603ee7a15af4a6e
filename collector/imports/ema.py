"""The vendor's OpenAPI: one signed question at a time. Every call blocks, and can be broken off at any time.

Written after clients of others and the vendor's manual as they quote it; the service itself was never asked.
"""

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final
from urllib.parse import quote, urlencode

from urllib3 import PoolManager, Timeout
from urllib3.exceptions import HTTPError

from collector.errors import CollectorError

URL: Final = "https://api.apsystemsema.com:9282"
TIMEOUT_S: Final = 30.0
METHOD, SIGNATURE_METHOD = "GET", "HmacSHA256"
# A day of a hundred inputs has some 300 kB.
_MOST_BYTES: Final = 16 * 1024 * 1024
_TOO_MANY_REQUESTS: Final = 429


class Failure(StrEnum):
    """What follows from an answer that is none."""

    # There is nothing of that time.
    NOTHING = "nothing"
    # No more questions this month.
    QUOTA = "quota"
    # The id, the secret, or what the account may.
    ACCOUNT = "account"
    # The question is wrong, for a reason of ours or the owner's.
    QUESTION = "question"
    # Later.
    LATER = "later"


class Refused(CollectorError):
    """There is no data in the answer."""

    def __init__(self, failure: Failure, reason: str, code: int | None = None) -> None:
        super().__init__(reason)
        self.failure = failure
        self.code = code


_SYSTEM_REMEDY = "see that --system is the id that the portal shows for your system, and that it is yours"
_KEY_REMEDY = "see --app-id and --secret-file; the app makes them anew, or the vendor's support does by mail"
_CODES: Final[Mapping[int, tuple[Failure, str]]] = {
    1000: (Failure.NOTHING, "there is no data"),
    1001: (Failure.NOTHING, "there is no data"),
    2001: (Failure.ACCOUNT, f"the account is not known: {_KEY_REMEDY}"),
    2002: (Failure.ACCOUNT, f"the account may not do this: {_SYSTEM_REMEDY}"),
    2003: (Failure.ACCOUNT, f"the account is blocked: {_KEY_REMEDY}"),
    2004: (Failure.ACCOUNT, f"the account has expired: {_KEY_REMEDY}"),
    2005: (Failure.QUOTA, "the calls of the account are used up; the same command goes on when there are new ones"),
    4000: (Failure.QUESTION, f"the question has a wrong parameter: {_SYSTEM_REMEDY}"),
    4001: (Failure.QUESTION, f"the signature or a parameter is wrong: {_KEY_REMEDY}"),
}
# The hundreds and thousands of other codes.
_FAMILIES: Final[Mapping[int, tuple[Failure, str]]] = {
    1: (Failure.NOTHING, "there is no data"),
    2: (Failure.ACCOUNT, _KEY_REMEDY),
    3: (Failure.ACCOUNT, _KEY_REMEDY),
    4: (Failure.QUESTION, _SYSTEM_REMEDY),
    5: (Failure.LATER, "the vendor's server has a fault; the same command goes on later"),
    6: (Failure.LATER, "the vendor's server has a fault; the same command goes on later"),
    7: (Failure.LATER, "the vendor's server is busy; the same command goes on later"),
}


def signature(secret: str, timestamp: str, nonce: str, app_id: str, path: str) -> str:
    """What signs a question: of the path only the last part counts, and the query is not signed."""
    last = path.rpartition("/")[2]
    text = "/".join((timestamp, nonce, app_id, last, METHOD, SIGNATURE_METHOD))
    return base64.b64encode(hmac.digest(secret.encode(), text.encode(), hashlib.sha256)).decode()


class Service:
    """The service at an address. `asked` counts the questions that went out."""

    def __init__(self, app_id: str, secret: str, url: str = URL, now_ns: Callable[[], int] = time.time_ns) -> None:
        self.asked = 0
        self._app_id = app_id
        self._secret = secret
        self._url = url.rstrip("/")
        self._now_ns = now_ns
        self._pool = PoolManager(timeout=Timeout(TIMEOUT_S), retries=False)

    def ask(self, path: str, query: Mapping[str, str] | None = None) -> bytes:
        """The answer as it came, if it carries data. Raises Refused."""
        timestamp, nonce = str(self._now_ns() // 1_000_000), secrets.token_hex(16)
        headers = {
            "X-CA-AppId": self._app_id,
            "X-CA-Timestamp": timestamp,
            "X-CA-Nonce": nonce,
            "X-CA-Signature-Method": SIGNATURE_METHOD,
            "X-CA-Signature": signature(self._secret, timestamp, nonce, self._app_id, path),
        }
        url = f"{self._url}{path}" + (f"?{urlencode(query)}" if query else "")
        self.asked += 1
        try:
            response = self._pool.request(METHOD, url, headers=headers, preload_content=False)
            body = response.read(_MOST_BYTES)
            response.release_conn()
        except HTTPError as exc:
            raise Refused(Failure.LATER, f"no answer from {self._url}: {self._plain(exc)}") from None
        _look(response.status, body)
        return body

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def _plain(self, exc: HTTPError) -> str:
        return str(exc).replace(self._secret, "[secret]").replace(self._app_id, "[app id]")


def _look(status: int, body: bytes) -> None:
    if status == _TOO_MANY_REQUESTS:
        raise Refused(Failure.QUOTA, "HTTP 429, too many calls; the same command goes on later")
    try:
        answer = json.loads(body)
        code = int(answer["code"])
    except (ValueError, TypeError, KeyError, RecursionError):
        raise Refused(
            Failure.LATER, f"HTTP {status} with something that is no answer of the service: see whether a proxy answers"
        ) from None
    if code == 0 and answer.get("data") not in (None, [], {}, ""):
        return
    failure, remedy = (Failure.NOTHING, "there is no data") if code == 0 else _meaning(code)
    raise Refused(failure, f"the service answers with code {code}: {remedy}", code)


def _meaning(code: int) -> tuple[Failure, str]:
    unknown = (Failure.LATER, "this code is not known; please report it")
    return _CODES.get(code) or _FAMILIES.get(code // 1000, unknown)


def details(system: str) -> str:
    """Where the system's own figures are: since when there is one, and where."""
    return f"/user/api/v2/systems/details/{quote(system, safe='')}"


def devices(system: str) -> str:
    """Where its gateways and inverters are."""
    return f"/user/api/v2/systems/inverters/{quote(system, safe='')}"


def summary(system: str) -> str:
    """Where its lifetime energy is."""
    return f"/user/api/v2/systems/summary/{quote(system, safe='')}"


def energy_of(system: str, uid: str) -> str:
    """Where the energies of an inverter's inputs are."""
    return f"/user/api/v2/systems/{quote(system, safe='')}/devices/inverter/energy/{quote(uid, safe='')}"


def powers_of(system: str, eid: str) -> str:
    """Where the powers of all inputs of a gateway are."""
    return f"/user/api/v2/systems/{quote(system, safe='')}/devices/inverter/batch/energy/{quote(eid, safe='')}"
