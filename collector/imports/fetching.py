"""What is asked of the vendor, in which order, and how far that is: the devices, then the energies of days by months,
then the powers of days, the latest first.

Nothing that is held is asked for again, but a month or a day that was not over when it was asked for. Each answer is on
disk before the next question goes out, so that whatever breaks this off costs one question.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo
from typing import Any, Final

from collector.errors import CollectorError
from collector.imports import ema
from collector.imports._bodies import data_of, devices_in
from collector.imports.ema import Failure, Refused
from collector.imports.files import days_in
from collector.journal.import_writing import Brought, Imports
from collector.journal.imported import DEVICES, ENERGY, POWER, Body, Held

# So many days in a row without powers are taken to be the end of what the vendor has kept.
_LAST_NOTHINGS: Final = 2
# How long a service that is busy, or away, is left alone before it is asked again.
_PAUSES_S: Final = (2.0, 15.0)
_DAY: Final = timedelta(days=1)
_NO_DATA: Final = b'{"code": 1001, "data": null}'
# Of a system whose beginning the vendor does not tell.
_EARLIEST: Final = date(2010, 1, 1)
DETAILS, SUMMARY = "details", "summary"


@dataclass(frozen=True, slots=True)
class Device:
    """A gateway as the vendor has it; inverters by id, with their models."""

    ecu: str
    zone: str
    inverters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Question:
    """One call, and what is kept of its answer."""

    kind: str
    key: str
    path: str
    query: Mapping[str, str]
    ecu: str
    said: Mapping[str, Any]
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be asked: `powers` by gateway, each in the order in which they are asked."""

    energies: list[Question]
    powers: dict[str, list[Question]]

    @property
    def calls(self) -> int:
        """How many at most."""
        return len(self.energies) + sum(map(len, self.powers.values()))


class Budget:
    """How many questions may be asked."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    def take(self) -> None:
        """Raises Refused when there is none left."""
        if self.left <= 0:
            raise Refused(Failure.QUOTA, "the budget of this run is used up; the same command goes on where it is")
        self.left -= 1


def inventory(system: str) -> list[Question]:
    """The questions that tell what there is. They are asked each time, since inverters are replaced."""
    kinds = ((DETAILS, ema.details), (DEVICES, ema.devices), (SUMMARY, ema.summary))
    return [Question(kind, system, path(system), {}, "", {"system": system}, False) for kind, path in kinds]


def devices(body: bytes) -> list[Device]:
    """What the answer about devices tells."""
    return [Device(ecu, zone, dict(inverters)) for ecu, zone, inverters in devices_in(data_of(body))]


def began(body: bytes | None) -> date:
    """Since when there is a system, by the answer about it."""
    try:
        return date.fromisoformat(str(data_of(body or b"")["create_date"])[:10])
    except (ValueError, TypeError, KeyError, CollectorError):
        return _EARLIEST


def plan(
    system: str,
    found: Iterable[Device],
    span: tuple[date, date],
    today: date,
    held: Mapping[tuple[str, str], Held],
    wanted: Callable[[str, date], bool],
) -> Plan:
    """What is to be asked of the days of a span, both included, that are `wanted` of a gateway and not held yet; what
    is of `today` is not whole.
    """
    energies: list[Question] = []
    powers: dict[str, list[Question]] = {}
    for device in found:
        days = [day for day in _days(*span) if wanted(device.ecu, day)]
        for month in dict.fromkeys(day.replace(day=1) for day in days):
            energies += [_energy(system, device.ecu, uid, month, today) for uid in sorted(device.inverters)]
        powers[device.ecu] = list(_until_the_end([_power(system, device.ecu, day, today) for day in days], held))
    return Plan([one for one in energies if not _is_held(one, held)], powers)


def _is_held(question: Question, held: Mapping[tuple[str, str], Held]) -> bool:
    known = held.get((question.kind, question.key))
    return known is not None and known.is_whole


def _until_the_end(questions: Iterable[Question], held: Mapping[tuple[str, str], Held]) -> Iterator[Question]:
    """Those that are not held, until so many in a row are known to have no data."""
    nothings = 0
    for question in questions:
        known = held.get((question.kind, question.key))
        if known is None or not known.is_whole:
            nothings = 0
            yield question
            continue
        nothings = 0 if known.tells else nothings + 1
        if nothings == _LAST_NOTHINGS:
            return


def _days(first: date, last: date) -> Iterator[date]:
    """The latest first."""
    for back in range((last - first).days + 1):
        yield last - back * _DAY


def _energy(system: str, ecu: str, uid: str, month: date, today: date) -> Question:
    text = f"{month:%Y-%m}"
    query = {"energy_level": "daily", "date_range": text}
    said = {"uid": uid, "month": text}
    return Question(ENERGY, f"{uid} {text}", ema.energy_of(system, uid), query, ecu, said, text < f"{today:%Y-%m}")


def _power(system: str, ecu: str, day: date, today: date) -> Question:
    query = {"energy_level": "power", "date_range": day.isoformat()}
    said = {"day": day.isoformat()}
    return Question(POWER, f"{ecu} {day}", ema.powers_of(system, ecu), query, ecu, said, day < today)


class Fetching:
    """Asks, and keeps what is answered. `zone_of` gives the zone of a gateway's days, `wait` takes seconds, and
    `progress` is called after each question. Raises Refused when there is to be an end, and JournalError.
    """

    def __init__(
        self,
        service: ema.Service,
        imports: Imports,
        budget: Budget,
        zone_of: Callable[[str], tzinfo],
        now_ns: Callable[[], int],
        wait: Callable[[float], object],
        progress: Callable[[], None] = lambda: None,
    ) -> None:
        self._service = service
        self._imports = imports
        self._budget = budget
        self._zone_of = zone_of
        self._now_ns = now_ns
        self._wait = wait
        self._progress = progress

    def ask(self, question: Question) -> bytes | None:
        """Ask and keep; None where there is no data, which is kept as well once that is final."""
        try:
            body = self._answer(question)
        except Refused as exc:
            if exc.failure is not Failure.NOTHING:
                raise
            if question.is_whole:
                self._keep(question, _NO_DATA, [])
            return None
        finally:
            self._progress()
        about = json.dumps(dict(question.said))
        told = Body(0, question.kind, question.key, about, question.ecu, "", "", 0, True, body)
        days = days_in(told, self._zone_of(question.ecu)) if question.ecu else []
        self._keep(question, body, [day.isoformat() for day in days])
        return body

    def _answer(self, question: Question) -> bytes:
        """One answer, with some patience for a service that is busy. Each attempt counts."""
        for pause_s in (*_PAUSES_S, None):
            self._budget.take()
            try:
                return self._service.ask(question.path, question.query)
            except Refused as exc:
                if exc.failure is not Failure.LATER or pause_s is None:
                    raise
                self._wait(pause_s)
        raise AssertionError("the last attempt returns or raises")

    def _keep(self, question: Question, body: bytes, days: list[str]) -> None:
        about = json.dumps(dict(question.said))
        one = Brought(
            kind=question.kind,
            key=question.key,
            about=about,
            ecu=question.ecu,
            body=body,
            days=days,
            is_whole=question.is_whole,
        )
        self._imports.keep([one], self._now_ns())

    def all_of(self, planned: Plan) -> None:
        """Ask for all of it."""
        for question in planned.energies:
            self.ask(question)
        for questions in planned.powers.values():
            nothings = 0
            for question in questions:
                nothings = 0 if self.ask(question) is not None else nothings + 1
                if nothings == _LAST_NOTHINGS:
                    break
