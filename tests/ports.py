"""Ports for programs that are to listen on a known one, or on the same one again after a while.

The system hands out its own to whoever connects or listens meanwhile, which in a run of several processes happens all
the time; so these are below them.
"""

import random
import socket

# Linux gives out the numbers from 32768 on.
_NUMBERS = range(20_000, 32_768)
_choose = random.SystemRandom()


def free_ports(host: str = "127.0.0.1") -> tuple[int, int, int]:
    """Three ports on which nobody listens at this address."""
    found: list[int] = []
    while len(found) < 3:
        number = _choose.choice(_NUMBERS)
        if number not in found and is_free(host, number):
            found.append(number)
    one, two, three = found
    return one, two, three


def is_free(host: str, number: int) -> bool:
    """Whether nobody listens there, at this address or at all of them."""
    try:
        socket.create_server((host, number)).close()
    except OSError:
        return False
    return True
