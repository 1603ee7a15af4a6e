"""Waits out a short outage of InfluxDB, for commands; the service has loops of its own, which wait for ever."""

import sys
from collections.abc import Callable
from threading import Event
from typing import ParamSpec, TypeVar

from collector.errors import SinkUnavailable

_P = ParamSpec("_P")
_T = TypeVar("_T")

ATTEMPTS = 6
FIRST_DELAY_S = 1.0
# InfluxDB may ask for an hour, and somebody is waiting for the command.
LONGEST_DELAY_S = 60.0


def patiently(stop: Event, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call, and call again after SinkUnavailable; raises it when the outage is a long one, or once `stop` is set. Says
    on stderr what is waited for, and for how long.
    """
    delay_s = FIRST_DELAY_S
    for _ in range(ATTEMPTS - 1):
        try:
            return call(*args, **kwargs)
        except SinkUnavailable as exc:
            if stop.is_set():
                raise
            wait_s = min(exc.retry_after or delay_s, LONGEST_DELAY_S)
            sys.stderr.write(f"collector: {exc}; tried again in {wait_s:.0f} s\n")
            if stop.wait(wait_s):
                raise
            delay_s *= 2
    return call(*args, **kwargs)
