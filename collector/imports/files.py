"""Files of the owner's, as they are brought along: what each is of, and what of it counts."""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from datetime import date, tzinfo
from typing import Final

from collector.clock import stamps
from collector.config.names import Names
from collector.errors import CollectorError
from collector.imports._bodies import Known, Told, is_taken_for_counter, told_of
from collector.imports.sources import INVERTER
from collector.journal.import_writing import Brought
from collector.journal.imported import FILE, Body
from collector.protocol.fields import ID
from collector.tables.reading import Unreadable

SITE: Final = "site"
_PLACE = re.compile(r"(?P<id>[0-9]{12})(?:/(?P<channel>[1-9]))?")
# Ids of ECUs begin so, and those of inverters with other digits.
_ECUS_BEGIN: Final = "2"
_DIGEST_CHARACTERS: Final = 12
# A hundred inverters of the largest kind make half of it under a sun that does not set.
_MOST_KWH: Final = 10_000


class Place:
    """What a file is of: the site as a whole, a gateway, an inverter or one of its inputs.

    Raises CollectorError for a place that is none, or that does not tell the gateway.
    """

    def __init__(self, text: str, ecus: Sequence[str], ecu: str | None = None) -> None:
        self.text = text
        self.inverter, self.channel = "", INVERTER
        if ecu is not None and not ID.fullmatch(ecu):
            raise CollectorError(f"--ecu {ecu!r} is no ECU: it has 12 digits, as on its label")
        match = _PLACE.fullmatch(text)
        if match and match["id"] in (*ecus, ecu) and not match["channel"]:
            self.ecu = match["id"]
            return
        if match and not match["channel"] and text.startswith(_ECUS_BEGIN) and ecu is None:
            raise CollectorError(
                f"{text} looks like an ECU, but none is known by that id: if it is one, say `--ecu {text}` too; if it"
                " is an inverter, name its ECU by `--ecu`"
            )
        if match:
            self.inverter, self.channel = match["id"], int(match["channel"] or INVERTER)
        elif text != SITE:
            raise CollectorError(
                f"{text!r} is no place: say `site`, the 12 digits of an ECU or of an inverter, or an input of one as"
                " 408000111178/1"
            )
        self.ecu = ecu or _only(ecus, text)


def _only(ecus: Sequence[str], text: str) -> str:
    if len(ecus) == 1:
        return ecus[0]
    if not ecus:
        raise CollectorError(
            "no ECU is known yet: name it by `--ecu` with its 12 digits, or as an [[ecu]] in config.toml"
        )
    known = ", ".join(ecus)
    if text == SITE:
        raise CollectorError(
            f"the site has several ECUs ({known}), and a file of all of them can't be divided: take a file for each,"
            " and name its ECU by `--place`"
        )
    raise CollectorError(f"say by `--ecu` which ECU the inverter reported to: one of {known}")


def brought(
    data: bytes, name: str, place: Place, names: Names, now: int, *, what: str | None = None, dates: str | None = None
) -> Brought:
    """A file as it is to be kept, at the instant `now` (ns). Raises Unreadable, also where it tells of no day, of a day
    that is still to come, or of more than a gateway makes in a day.
    """
    about = {
        "name": name,
        "place": place.text,
        "inverter": place.inverter,
        "channel": place.channel,
        "what": what,
        "dates": dates,
    }
    text = json.dumps({key: value for key, value in about.items() if value})
    zone = names.ecu(place.ecu).zone
    told = told_of(Body(0, FILE, "", text, place.ecu, "", "", 0, True, data), zone)
    days = _days(told)
    if not days:
        raise Unreadable(
            None,
            "it tells of no single day: energies of months can't be divided, and of a counter each day's reading is"
            " needed; take the portal's Daily Energy Report",
        )
    if days[-1] > stamps.from_ns(now).astimezone(zone).date():
        raise Unreadable(None, f"{days[-1]} is still to come: is the year right, and the order of day and month?")
    day, most_kwh = max(((day, _kwh(told[day].values())) for day in days), key=lambda found: found[1])
    if most_kwh > _MOST_KWH:
        raise Unreadable(
            None,
            f"{day} has {most_kwh:,.0f} kWh, more than any ECU's inverters make in a day: are the numbers Wh? Then say"
            " so in the header, as `Energy (Wh)`; what readings of a counter are, `--kind` tells",
        )
    digest = hashlib.blake2b(data, digest_size=_DIGEST_CHARACTERS // 2).hexdigest()
    key = f"{place.ecu} {place.text} {digest}"
    return Brought(kind=FILE, key=key, about=text, ecu=place.ecu, body=data, days=[day.isoformat() for day in days])


def is_guessed_counter(one: Brought, names: Names) -> bool:
    """Whether a file that was read is taken for readings of a counter, and nobody said that it is one."""
    body = Body(0, FILE, one.key, one.about, one.ecu, "", "", 0, True, one.body)
    return is_taken_for_counter(body, names.ecu(one.ecu).zone)


def days_in(body: Body, zone: tzinfo) -> list[date]:
    """The days that a body tells of, in order. Raises CollectorError."""
    return _days(told_of(body, zone))


def _days(told: Told) -> list[date]:
    return sorted(day for day, sources in told.items() if any(_says(one) for one in sources.values()))


def _kwh(sources: Iterable[Known]) -> float:
    return sum(sum(wh for _, wh in one.energies_wh) + (one.energy_wh or 0.0) for one in sources) / 1000


def _says(known: tuple[object, ...]) -> bool:
    return any(part is not None and part != () for part in known)
