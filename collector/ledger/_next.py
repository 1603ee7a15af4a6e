"""What is to be done next for the ledger, found by reading alone, as one change that is one transaction."""

import hashlib
import json
import logging
import time
from collections.abc import Callable, Collection
from functools import partial

from collector.config.names import Names
from collector.errors import JournalError
from collector.journal import energies
from collector.journal.energies import EVERY_DAY, Arrived, Mark, Standing
from collector.journal.energy_writing import Account, Energies, Passed
from collector.journal.reading import JournalReader
from collector.ledger._days import (
    account_of,
    addition,
    counted_of_purged,
    day_of_time,
    days_of_instants,
    every_day,
    late_addition,
    place_of,
    zone_of,
)
from collector.points.told import told_safely
from collector.record import Record

_log = logging.getLogger(__name__)

# Where so many records wait, their days are computed once instead of record by record.
BACKLOG = 500
_AT_ONCE, _LIVE_AT_ONCE, _AGAIN_AT_ONCE = 2000, 20, 200
# So many days are some work, which is told of in the log as often as this.
_MANY_DAYS = 30
_TOLD_EVERY_S = 30.0

Change = Callable[[Energies], None]


class NextChange:
    """Remembers what it has looked after once; raises JournalError."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._is_settled = False
        self._told_at = 0.0
        self._began_at = 0.0
        self._computed = 0

    def find(self, reader: JournalReader) -> Change | None:
        """The next change; None when all is counted."""
        standing = energies.standing(reader)
        if not self._is_settled:
            if change := self._settling(reader, standing):
                return change
            self._is_settled = True
            # Another release may be able to, or other marks have come.
            if energies.refused(reader):
                return Energies.try_again
        return (
            self._reading_again(reader, standing)
            or self._reading_on(reader, standing)
            or self._computing(reader, standing)
        )

    def _settling(self, reader: JournalReader, standing: Standing) -> Change | None:
        """After a change of the configuration each place gets its name, and all days are computed by the new rules."""
        renamed = {
            place.id: name
            for place in energies.places(reader)
            if (name := place_of(self._names, (place.inverter, place.channel))) != place.place
        }
        now = _basis_of(self._names)
        ecus: Collection[str] = []
        if standing.basis not in ("", now):
            ecus = energies.known_gateways(reader)
            _log.info("zones or panels were changed in the configuration, the ledger is computed again")
        if not renamed and now == standing.basis:
            return None
        return partial(Energies.settle, basis=now, places=renamed, ecus=ecus)

    def _reading_again(self, reader: JournalReader, standing: Standing) -> Change | None:
        """A look once more at records whose time the owner has changed."""
        ids = energies.again(reader, _AGAIN_AT_ONCE)
        if not ids:
            return None
        passed = Passed(standing.cursor, again=ids)
        for record in energies.numbered(reader, ids):
            self._note_scattered(record, passed)
        return partial(Energies.note_passed, passed=passed, before=standing)

    def _reading_on(self, reader: JournalReader, standing: Standing) -> Change | None:
        """The addition of the latest record, or marks for the days of some."""
        is_live = energies.waiting_count(reader) < BACKLOG
        found, until = energies.arrived(reader, standing.cursor, _LIVE_AT_ONCE if is_live else _AT_ONCE)
        if until == standing.cursor:
            return None
        passed = Passed(until)
        for one in found:
            if is_live and one.is_newest and not one.is_scattered:
                if passed.marks:
                    # What comes before it in the journal is in the account before it.
                    passed.cursor = one.id - 1
                    break
                if account := self._addition(reader, one):
                    return partial(_add, account=account, before=standing, cursor=one.id)
            self._note(reader, one, passed)
        return partial(Energies.note_passed, passed=passed, before=standing)

    def _addition(self, reader: JournalReader, one: Arrived) -> Account | None:
        records = energies.numbered(reader, [one.id])
        try:
            return addition(reader, self._names, records[0]) if records else None
        except ArithmeticError:
            # Its day is marked, and refused.
            return None

    def _note(self, reader: JournalReader, one: Arrived, passed: Passed) -> None:
        if one.is_scattered:
            for record in energies.numbered(reader, [one.id]):
                self._note_scattered(record, passed)
        elif day := day_of_time(one.time, zone_of(self._names, one.ecu)):
            self._mark(passed, one.ecu, day)

    def _mark(self, passed: Passed, ecu: str, day: str) -> None:
        """Also of those in whose place it is: what was brought along of that day counts no more."""
        passed.marks.update((other, day) for other in self._names.ecus.chain(ecu))

    def _note_scattered(self, record: Record, passed: Passed) -> None:
        zone = zone_of(self._names, record.ecu)
        for day in days_of_instants((at for at, _ in told_safely(record, zone)), zone):
            self._mark(passed, record.ecu, day)
            passed.late.append((record.ecu, day, record.id))

    def _computing(self, reader: JournalReader, standing: Standing) -> Change | None:
        """The next marked day, computed."""
        mark = next(iter(energies.marks(reader, 1)), None)
        if mark is None:
            self._tell_end()
            return None
        self._tell(reader)
        if mark.day == EVERY_DAY:
            days = every_day(reader, mark.ecu, zone_of(self._names, mark.ecu))
            return partial(Energies.mark, days=[(mark.ecu, day) for day in sorted(days)], instead=mark)
        try:
            change = self._computed_of(reader, mark, standing.cursor)
        except JournalError:
            raise
        except Exception:  # noqa: BLE001 (whatever is the matter with a day may cost this day, and no other one)
            _log.exception("a day of the ledger can't be computed ecu=%s day=%s", mark.ecu, mark.day)
            return partial(Energies.refuse, mark=mark)
        self._computed += 1
        return partial(_write, change=change, mark=mark)

    def _computed_of(self, reader: JournalReader, mark: Mark, until: int) -> Change:
        since = counted_of_purged(reader, self._names, mark)
        if since is None:
            account = account_of(reader, self._names, mark, until)
            return partial(Energies.replace, account=account, mark=mark, cursor=until)
        if late := late_addition(reader, self._names, mark, (since, until)):
            return partial(Energies.add_late, account=late, mark=mark, cursor=until)
        return partial(Energies.mark, days=(), instead=mark)

    def _tell(self, reader: JournalReader) -> None:
        now = time.monotonic()
        if not self._began_at:
            self._began_at = self._told_at = now
            self._computed = 0
            if (left := energies.marks_count(reader)) >= _MANY_DAYS:
                _log.info("the ledger is computed days=%d", left)
        elif now - self._told_at >= _TOLD_EVERY_S:
            self._told_at = now
            _log.info("the ledger is computed days=%d days_left=%d", self._computed, energies.marks_count(reader))

    def _tell_end(self) -> None:
        if self._computed >= _MANY_DAYS:
            took_s = time.monotonic() - self._began_at
            _log.info("the ledger is complete days=%d took_s=%.0f", self._computed, took_s)
        self._began_at = 0.0
        self._computed = 0


def _add(energies: Energies, account: Account, before: Standing, cursor: int) -> None:
    try:
        energies.add(account, before, cursor)
    except ArithmeticError:
        energies.note_passed(Passed(cursor, {(account.ecu, account.day)}), before)


def _write(energies: Energies, change: Change, mark: Mark) -> None:
    try:
        change(energies)
    except ArithmeticError:
        # A number that the journal has no room for.
        _log.exception("a day of the ledger can't be written ecu=%s day=%s", mark.ecu, mark.day)
        energies.refuse(mark)


def _basis_of(names: Names) -> str:
    """Changes when a day may come out otherwise for another configuration."""
    return hashlib.blake2b(json.dumps(names.basis_of_days()).encode(), digest_size=8).hexdigest()
