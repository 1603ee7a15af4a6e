"""What the vendor's cloud can tell a gateway to do (docs/protocol.md, 7.6): for naming it, never for doing it."""

import re
from collections.abc import Mapping
from typing import Final

_HEADER: Final = re.compile(rb"APS[0-9]{2}.{5}(A[0-9]{3})", re.DOTALL)
# Where a poll's answer has the number of what is asked for, seen from the beginning of the message.
_SUB_COMMAND = slice(30, 34)
_NUMBER: Final = re.compile(rb"A[0-9]{3}")
# What acknowledges has one of these numbers, and may carry a command behind itself.
_HARMLESS: Final = ("A100", "A123", "A156", "A157", "A158", "A159")

# Each completes the sentence that begins with "the vendor tried to". What only reads makes a gateway report, or ask its
# inverters.
MEANINGS: Final[Mapping[str, str]] = {
    "A102": "read the firmware's version and the list of inverters",
    "A103": "change the list of inverters",
    "A104": "read the gateway's time zone",
    "A105": "set the gateway's time zone and restart it",
    "A106": "read where the gateway reports to",
    "A107": "change the servers and ports that the gateway reports to",
    "A108": "run a command in the gateway",
    "A109": "set protection limits of the grid, 5 items",
    "A110": "limit the power of inverters",
    "A111": "switch inverters on or off",
    "A112": "clear the ground fault of inverters",
    "A113": "read the gateway's protection limits, 5 items",
    "A114": "read the inverters' protection limits, 5 items",
    "A115": "read ground fault states",
    "A116": "read which inverters are on",
    "A117": "read the inverters' power limits",
    "A118": "make the gateway report everything, which restarts some",
    "A119": "switch the gateway's reports on or off",
    "A120": "read the gateway's protection limits, 13 items",
    "A121": "read the inverters' protection limits, 13 items",
    "A122": "set protection limits of the grid, 13 items",
    "A124": "read the grid environment",
    "A125": "set the grid environment",
    "A126": "read the IRD option",
    "A127": "set the IRD option",
    "A128": "read the inverters' signal strength",
    "A129": "read the grid quality",
    "A130": "read the gateway's protection limits, 17 items",
    "A131": "read the inverters' protection limits, 17 items",
    "A132": "set protection limits of the grid, 17 items",
    "A134": "restore the factory values of inverters",
    "A135": "read what an update of inverters came to",
    "A136": "update the firmware of inverters",
    "A138": "set automatic reports",
    "A139": "read the anti-theft state",
    "A140": "read the anti-theft state",
    "A141": "set the anti-theft password",
    "A142": "erase the anti-theft password",
    "A143": "read the anti-theft time limit",
    "A144": "set the anti-theft time limit",
    "A145": "read the power factor",
    "A146": "set the power factor",
    "A147": "read what an update of inverters came to",
    "A148": "look for inverters with a wrong id",
    "A149": "read which inverters have a wrong id",
    "A150": "change the id of inverters",
    "A151": "read which inverters' ids were changed",
    "A160": "switch the rapid shutdown",
    "A161": "read the inverters' protection limits",
    "A162": "set protection limits of the grid",
    "A168": "read the gateway's protection limits",
    "A171": "change the ZigBee channel",
    "A172": "read the ZigBee channel",
    "A173": "send raw ZigBee messages",
    "A174": "read the answer to a raw ZigBee message",
}


def named(raw: bytes) -> str:
    """The number of the command in what came in an acknowledgement's place, as `A105`; "" for what has none."""
    found = ""
    for header in _HEADER.finditer(raw):
        number = header[1]
        if number == b"A101" and _NUMBER.fullmatch(asked := raw[header.start() :][_SUB_COMMAND]):
            number = asked
        found = number.decode()
        if found not in _HARMLESS:
            break
    return found


def meaning(command: str) -> str:
    """What a command is for, in words that follow "the vendor tried to"."""
    if not command:
        return "send something that is no acknowledgement and has no number"
    return MEANINGS.get(command, "send a message that nobody knows")
