"""Waits out a short outage of InfluxDB, for commands; the service has loops of its own, which wait for ever."""

from collections.abc import Callable
from threading import Event
from typing import ParamSpec, TypeVar

from collector.errors import SinkUnavailable

_P = ParamSpec("_P")
_T = TypeVar("_T")

ATTEMPTS = 6
FIRST_DELAY_S = 1.0


def patiently(stop: Event, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call, and call again after SinkUnavailable; raises it when the outage is a long one, or once `stop` is set."""
    delay_s = FIRST_DELAY_S
    for _ in range(ATTEMPTS - 1):
        try:
            return call(*args, **kwargs)
        except SinkUnavailable as exc:
            if stop.wait(exc.retry_after or delay_s):
                raise
            delay_s *= 2
    return call(*args, **kwargs)
