"""How many files this process may have open: each connection is one, beside the journal and the ways to InfluxDB."""

import logging
import resource
import sys
import time

# For all but the gateways' connections: at rest there are 17, the metrics port has its share, and a look at the journal
# or at a time zone must never fail for want of one.
RESERVED = 100

_QUIET_S = 60.0


def raise_file_limit() -> int:
    """Allow as many open files as the system lets this user have; returns how many that are."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return sys.maxsize if most == resource.RLIM_INFINITY else most


def room_for_connections(files: int) -> int:
    """How many connections fit into a number of files; at least one where the reserve can't be kept either."""
    return max(files - RESERVED, files // 2, 1)


class OnceAMinute(logging.Filter):
    """Lets one record a minute through, without its traceback.

    For what trio says of each port ten times a second while a connection can't be accepted.
    """

    def __init__(self) -> None:
        super().__init__()
        self._quiet_until = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is time for another."""
        now = time.monotonic()
        if now < self._quiet_until:
            return False
        self._quiet_until = now + _QUIET_S
        record.exc_info = None
        return True
