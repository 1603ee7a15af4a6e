"""Answers of the vendor as they are kept, composed here."""

import json
from collections.abc import Sequence

from collector.journal.import_writing import Brought
from collector.journal.imported import ENERGY, POWER
from tests.samples import ECU, UID

DAY, NEXT = "2026-06-20", "2026-06-21"


def month(kwh: Sequence[float], *, uid: str = UID, ecu: str = ECU, begin: int = 20) -> Brought:
    """Energies of an input from one day of June on."""
    answer = json.dumps({"code": 0, "data": {"e1": [0.0] * (begin - 1) + list(kwh)}}).encode()
    days = [f"2026-06-{begin + place:02}" for place in range(len(kwh))]
    said = json.dumps({"uid": uid, "month": "2026-06"})
    return Brought(kind=ENERGY, key=f"{uid} 2026-06", about=said, ecu=ecu, body=answer, days=days)


def curve(day: str = DAY, watts: Sequence[float] = (120, 240), *, uid: str = UID, ecu: str = ECU) -> Brought:
    """Powers of an input from noon on."""
    times = [f"12:{5 * place:02}" for place in range(len(watts))]
    answer = json.dumps({"code": 0, "data": {"time": times, "power": {f"{uid}-1": list(watts)}}}).encode()
    return Brought(kind=POWER, key=f"{ecu} {day}", about=json.dumps({"day": day}), ecu=ecu, body=answer, days=[day])
