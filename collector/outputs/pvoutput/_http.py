"""Carries requests to the service: one at a time, each with an end. Every call blocks."""

from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlencode

from urllib3 import PoolManager, Timeout
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError, ProtocolError
from urllib3.exceptions import TimeoutError as HTTPTimeoutError

from collector.clock.stamps import NS, to_ns
from collector.config.model import PvOutput
from collector.delivery.deadline import CallEnded, Calls
from collector.outputs.pvoutput._service import Answer, Kind, Limits, Request, ServiceError, plain

TIMEOUT_S, DEADLINE_S = 15.0, 40.0
# No answer is as long: a day has some 30 kB.
_MOST_BYTES: Final = 1 << 20
# Numbers of limits, and an end of the hour that can still be shown as a date.
_MOST_DIGITS: Final = 20
_LATEST_S: Final = 10**11

_REMEDY = "nothing is lost; it is tried again by itself. See that this machine reaches the Internet"
_OWN_REMEDY = (
    "nothing is lost; it is tried again by itself. See that pvoutput.url is right, and that what it names runs"
)
_USUAL_URL: Final = PvOutput.model_fields["url"].default


class Service:
    """The service at an address; `key` is asked for whenever it is needed, and raises ServiceError without one.

    `used_key` is the one of the last request.
    """

    def __init__(self, url: str, system_id: int, key: Callable[[], str]) -> None:
        self.used_key = ""
        self._url = url
        self._remedy = _REMEDY if url == _USUAL_URL else _OWN_REMEDY
        self._system_id = system_id
        self._key = key
        self._pool = PoolManager(timeout=Timeout(TIMEOUT_S), retries=False)
        self._calls = Calls(self._pool)

    def call(self, request: Request) -> Answer:
        """Raises ServiceError if there is no answer at all."""
        # None, if it can't be read: then any key is another one.
        self.used_key = ""
        key = self.used_key = self._key()
        headers = {"X-Pvoutput-Apikey": key, "X-Pvoutput-SystemId": str(self._system_id), "X-Rate-Limit": "1"}
        form = urlencode(request.fields)
        url = f"{self._url}/{request.page}"
        try:
            with self._calls.limited(DEADLINE_S):
                if request.is_form:
                    headers["Content-Type"] = "application/x-www-form-urlencoded"
                    response = self._pool.request("POST", url, body=form, headers=headers, preload_content=False)
                else:
                    response = self._pool.request("GET", f"{url}?{form}", headers=headers, preload_content=False)
                body = response.read(_MOST_BYTES)
                response.release_conn()
        except CallEnded as exc:
            raise self._later(str(exc)) from None
        except HTTPError as exc:
            raise self._later(_told(exc).replace(key, "[key]")) from None
        said = {name.lower(): value for name, value in response.headers.items()}
        limits = _limits(said)
        # Beside limits it is the service's own clock, and not that of what stands before it.
        at = _at(said.get("date", "")) if limits else None
        return Answer(response.status, body.decode(errors="replace").replace(key, "[key]"), limits, at)

    def _later(self, what: str) -> ServiceError:
        return ServiceError(Kind.LATER, f"no answer from PVOutput: {what}", self._remedy)

    def abort(self) -> None:
        """End the call that is under way, and each later one. For any thread."""
        self._calls.end("the collector stops")


def _limits(headers: dict[str, str]) -> Limits | None:
    found = [headers.get(f"x-rate-limit-{name}", "").strip() for name in ("limit", "remaining", "reset")]
    if not all(one.isdecimal() and len(one) < _MOST_DIGITS for one in found):
        return None
    limit, remaining, reset_s = map(int, found)
    return Limits(limit, remaining, min(reset_s, _LATEST_S) * NS)


def _at(text: str) -> int | None:
    try:
        return to_ns(parsedate_to_datetime(text))
    except (TypeError, ValueError, OverflowError):
        return None


def _told(exc: HTTPError) -> str:
    match exc:
        case NameResolutionError():
            return "the name of the host can't be resolved"
        case NewConnectionError():
            return f"no connection ({plain(str(exc.__cause__ or exc))})"
        case HTTPTimeoutError():
            return f"nothing within {TIMEOUT_S:g} s"
        case ProtocolError():
            return f"the connection broke ({plain(str(exc.args[-1]))})"
        case _:
            return plain(str(exc))
