"""Letting in devices that wait, and dating records whose time can't be right: marks for whoever delivers."""

import json
from collections.abc import Iterable

from collector.journal.devices import ACCEPTED_STATE, EVERY_ECU
from collector.journal.energies import EVERY_DAY
from collector.journal.writing import MARK_ENERGIES, Journal

_AT_ONCE = 500

_BEYOND_ANY_ECU = chr(0x10FFFF)


class Devices:
    """The writing side. Every method raises JournalError, and then has changed nothing but what came before it."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def accept_gateway(self, ecu: str, *, with_inverters: bool = True) -> int:
        """Let a gateway in, with all inverters that it has reported so far; returns how many records follow."""
        if with_inverters:
            self._accept_until(ecu)
        with self._journal.derived() as db:
            db.execute("update ecu set admitted_at = 0 where ecu = ? and admitted_at is null", (ecu,))
            if with_inverters:
                db.execute("update novelty set admitted_at = 0 where ecu = ? and admitted_at is null", (ecu,))
            db.execute(MARK_ENERGIES, (ecu, EVERY_DAY))
        return self._release(ecu)

    def accept_inverter(self, inverter: str, ecus: Iterable[str]) -> int:
        """Let an inverter in with some gateways; returns how many records follow, which may hold others that wait."""
        records = 0
        for ecu in ecus:
            with self._journal.derived() as db:
                db.execute(
                    "update novelty set admitted_at = 0 where ecu = ? and kind = 'inverter' and name = ?",
                    (ecu, inverter),
                )
                db.execute(MARK_ENERGIES, (ecu, EVERY_DAY))
            # Those of a gateway that waits are held for more than this inverter.
            records += self._release(ecu, which="delivered_at is not null")
        return records

    def accept_everything(self) -> int:
        """Let everything in that was heard so far; returns how many records follow."""
        self._accept_until(EVERY_ECU)
        with self._journal.derived() as db:
            db.execute(
                "insert or replace into energy_mark (ecu, day, mark) select ecu, ?, random() from (select ecu from ecu"
                " where admitted_at is null union select ecu from novelty where admitted_at is null)",
                (EVERY_DAY,),
            )
            db.execute("update ecu set admitted_at = 0 where admitted_at is null")
            db.execute("update novelty set admitted_at = 0 where admitted_at is null")
        return self._release(EVERY_ECU)

    def date(self, dates: Iterable[tuple[int, int]]) -> None:
        """Give records times (ns) in place of their own, and let them wait for delivery."""
        # A record of another time than its own is looked for as those are that have late data.
        rows = [(at, identity) for identity, at in dates]
        for first in range(0, len(rows), _AT_ONCE):
            with self._journal.derived() as db:
                some = rows[first : first + _AT_ONCE]
                db.executemany("update record set dated = ?, late = 1, set_aside = null where id = ?", some)
                db.executemany("insert or ignore into energy_again values (?)", ((identity,) for _, identity in some))

    def _accept_until(self, ecu: str) -> None:
        with self._journal.derived() as db:
            row = db.execute("select value from state where key = ?", (ACCEPTED_STATE,)).fetchone()
            until = json.loads(row[0]) if row else {}
            (until[ecu],) = db.execute("select coalesce(max(id), 0) from record").fetchone()
            db.execute("insert or replace into state values (?, ?)", (ACCEPTED_STATE, json.dumps(until)))

    def _release(self, ecu: str, *, which: str = "1") -> int:
        """Let held records wait for delivery; those that were delivered in part are so once more."""
        first, last = ("", _BEYOND_ANY_ECU) if ecu == EVERY_ECU else (ecu, ecu)
        records, seen = 0, (first, 0)
        while True:
            with self._journal.derived() as db:
                # In the order of the index, and never back: what is delivered meanwhile may be held again.
                rows = db.execute(
                    "select ecu, id from record"  # noqa: S608 (constants)
                    f" where held is not null and (ecu, id) > (?, ?) and ecu <= ? and {which} order by ecu, id limit ?",
                    (*seen, last, _AT_ONCE),
                ).fetchall()
                db.executemany(
                    "update record set held = null, delivered_at = null where id = ?", ((row[1],) for row in rows)
                )
            if not rows:
                return records
            records, seen = records + len(rows), rows[-1]
