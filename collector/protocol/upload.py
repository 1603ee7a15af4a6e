"""Records of the data ports: header, blocks behind it, late groups, and the JSON form (docs/protocol.md, 4 and 6).

`find_record` reads only what an answer needs and is what the server runs before it stores. `decode` reads everything
and never raises for the content of a record: what it cannot read is a line in `problems`. `encode` writes a record from
the same tables.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from collector.protocol import _contradictions
from collector.protocol._energies import read_energies
from collector.protocol._site_power import Said, in_tenths, of_part_w, of_whole_w
from collector.protocol.blocks import Inverter, decode_blocks, encode_blocks
from collector.protocol.fields import (
    ID,
    TIME,
    FieldError,
    Layout,
    constant,
    declared_length,
    digits,
    length_fault,
    quantity,
    sum_if_known,
    text,
    total,
    with_length,
)
from collector.protocol.models import PLC_15, Dialect, dialect
from collector.protocol.problems import KNOWN_HABIT

END, GROUP_END, TAIL = "END", "UND", "ADD"

_START = (constant("APS"), digits("version", 2), text("length", 5), text("system", 4), text("sequence", 4))
_FLAGS = (text("zone_flag", 1), text("more_flag", 1), text("spare", 4), constant(END))
HEADER_86 = Layout(
    *_START,
    text("ecu", 12),
    quantity("power", 10),
    quantity("energy_wh", 10, 1000),
    quantity("lifetime_kwh", 10, 10),
    digits("time", 14),
    quantity("count", 3),
    *_FLAGS,
)
HEADER_96 = Layout(
    *_START,
    text("ecu", 12),
    quantity("power_w", 10, 1000),
    quantity("output_power_w", 10, 1000),
    quantity("energy_wh", 10, 1000),
    quantity("output_energy_wh", 10, 1000),
    digits("time", 14),
    quantity("count", 3),
    *_FLAGS,
)
FILL_UP = Layout(*_START, text("ecu", 12), digits("time", 14), constant(END))
_GROUP_HEAD = Layout(digits("time", 14), quantity("count", 3))
_SYSTEM, _CLASS, _ECU, _POWER = slice(10, 14), slice(14, 18), slice(18, 30), slice(30, 40)

# The size of a block that a Linux gateway assumes for the length of a late round, by the record's version.
_ASSUMED_BLOCK = {15: 50, 16: 101, 18: 50}

_JSON_TIME = re.compile(r'"EST"\s*:\s*"([0-9]{14})"', re.ASCII)
_JSON_ECU = re.compile(r'"EID"\s*:\s*"([0-9]{12})"', re.ASCII)
_JSON_QUERY = re.compile(r'\{\s*"EID"\s*:\s*"([0-9]{12})"\s*,?\s*\}', re.ASCII)
_RECORD = re.compile(r"APS[0-9]{2}", re.ASCII)
_NIGHT_QUERY = re.compile(r"APS[0-9]{2}(?:AAA|000)22([0-9]{12})", re.ASCII)

# Behind its header a record has digits, padding, and the letters of END, ADD and UND.
_BEHIND_HEADER = re.compile(rb"[0-9ABDENU]+")
# Where "more follow" stands in either header, and what follows it there.
_MORE_FLAGS = (78, 88)
_BEHIND_MORE = b"0000END"


@dataclass(frozen=True, slots=True)
class Found:
    """What an answer needs: the gateway's id and, for a record, its time stamp; an empty `time` marks a query."""

    ecu: str
    time: str


@dataclass(frozen=True, slots=True)
class LateGroup:
    """Inverters' data that reached the gateway late, and the time they belong to."""

    time: str
    inverters: tuple[Inverter, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """One record, decoded. `power_w` and `lifetime_kwh` are None where the header does not tell or cannot be trusted.

    `has_round` is False for the fill-up message, which carries only late groups and no round of its own. A round that
    is not `is_whole` has inverters that were not understood, `unread` of them by what the header counts.
    """

    version: int
    ecu: str
    time: str
    inverters: tuple[Inverter, ...] = ()
    power_w: float | None = None
    lifetime_kwh: float | None = None
    late: tuple[LateGroup, ...] = ()
    has_round: bool = True
    problems: tuple[str, ...] = ()
    is_whole: bool = True
    unread: int = 0

    @property
    def energy_wh(self) -> float | None:
        """What the gateway counts for this interval: the sum over the inverters. None where one is not known."""
        return sum_if_known([inverter.energy_wh for inverter in self.inverters]) if self.is_whole else None

    @property
    def inverters_reporting(self) -> int | None:
        """How many inverters answered in this round. None where not one of them was understood."""
        return len(self.inverters) + self.unread if self.inverters or self.is_whole else None


def find_record(frame: str) -> Found | None:
    """Tell a record or a query of the data ports from anything else; None when no time stamp can be read.

    A wrong length field or an unreadable block is no obstacle: a record that is refused for ever would block all those
    behind it in the gateway (docs/protocol.md, 8).
    """
    if night := _NIGHT_QUERY.fullmatch(frame):
        return Found(night[1], "")
    if frame.startswith("{"):
        return _find_json(frame)
    found = _time_at(frame)
    if found is None or not _RECORD.match(frame):
        return None
    time = frame[found : found + 14]
    return Found(_readable_id(frame[_ECU]), time) if TIME.fullmatch(time) else None


def _readable_id(ecu: str) -> str:
    """An id as sent, whatever it is made of; empty when it is no text. An unreadable one is no reason for silence."""
    return ecu if ecu.isascii() and ecu.isalnum() else ""


def _time_at(frame: str) -> int | None:
    """Offset of the time stamp, from where the header's END stands."""
    if frame[44:50] == END + TAIL:
        return 30
    if frame[3:5] == "16" and frame[93:96] == END:
        return 70
    return 60 if frame[83:86] == END else None


def _find_json(frame: str) -> Found | None:
    if query := _JSON_QUERY.fullmatch(frame):
        return Found(query[1], "")
    ecu, time = _JSON_ECU.search(frame), _JSON_TIME.search(frame)
    if time is None:
        return None
    inner = _json_text(frame)
    return Found(ecu[1] if ecu else inner[_ECU] if ID.fullmatch(inner[_ECU]) else "", time[1])


def _json_text(frame: str) -> str:
    inner = re.search(r'"APS"\s*:\s*"([^"]*)"', frame)
    return inner[1] if inner else ""


def carries_late_data(raw: bytes) -> bool:
    """Whether a frame may have groups of other times than its own; the letters stand nowhere else in a record."""
    return TAIL.encode() in raw


def is_tail(raw: bytes) -> bool:
    """Whether bytes may be the end of a record, as a gateway leaves behind a shorter one (docs/protocol.md, 6.4)."""
    return _BEHIND_HEADER.fullmatch(raw) is not None


def is_whole(raw: bytes) -> bool:
    """Whether a record has the length that it states, so that whatever follows is no part of it."""
    return declared_length(raw[:10].decode("latin-1")) == len(raw)


def without_more_flag(raw: bytes) -> bytes:
    """A record as it is when no other follows it, which is all that the flag tells: of its round it says nothing."""
    for place in _MORE_FLAGS:
        if raw[place : place + 1] == b"1" and raw[place + 1 : place + 8] == _BEHIND_MORE:
            return raw[:place] + b"0" + raw[place + 1 :]
    return raw


def decode(frame: str) -> Upload:
    """Decode a frame in which `find_record` found a time stamp."""
    if frame.startswith("{"):
        return _decode_json(frame)
    if frame[44:50] == END + TAIL:
        return _decode_fill_up(frame)
    found = find_record(frame)
    if found is None:
        return Upload(version=0, ecu="", time="", has_round=False, problems=("not a record",))
    version = int(frame[3:5])
    layout = HEADER_96 if _time_at(frame) == 70 else HEADER_86
    header, problems = _decode_header(frame, layout)
    form = dialect(version, frame[_SYSTEM])
    body, _, tail = frame[layout.width :].partition(TAIL)
    texts = _split(body, END)
    inverters, block_problems, are_read = decode_blocks(texts, form)
    late, late_problems = _decode_tail(tail, form)
    is_late_round = _is_late_round(frame, header, len(texts))
    is_length_known = is_late_round and declared_length(frame) == _assumed_length(frame, len(texts))
    length_problems = () if is_length_known else _length_problems(frame)
    count = header["count"]
    if count not in (None, len(inverters)) and are_read and not (is_late_round and count in _halves(len(texts))):
        problems.append(f"the header counts {count} inverters, {len(inverters)} were found")
    # A count alone may be wrong; a record that was cut short between two blocks has a wrong length as well.
    unread = max((count or 0) - len(inverters), 0) if length_problems or not are_read else 0
    is_whole = are_read and not unread
    said = _said(header, version, form)
    if not all(map(_contradictions.is_plain, inverters)):
        if is_whole:
            inverters = in_tenths(inverters, said)
        problems += _contradictions.of_inverters(inverters)
    power_w, instead = _power(said, inverters, unread, is_whole=is_whole)
    if instead:
        habit = f" ({KNOWN_HABIT})" if is_late_round else ""
        problems.append(f"the header says a power of {frame[_POWER]!r}, {instead}{habit}")
    if header["energy_wh"] and is_whole and not is_late_round:
        problems += _contradictions.of_header_energy(header["energy_wh"], inverters)
    return Upload(
        version=version,
        ecu=found.ecu,
        time=found.time,
        inverters=inverters,
        power_w=power_w,
        # The counter is never 0 once anything was produced; late rounds say 0 for "not known".
        lifetime_kwh=header.get("lifetime_kwh") or None,
        late=late,
        problems=(*length_problems, *problems, *block_problems, *late_problems),
        is_whole=is_whole,
        unread=unread,
    )


def decode_energies(frame: str) -> Upload:
    """What `decode` tells of the inverters' powers and energies, and perhaps nothing else of them: for long sums."""
    found = None if TAIL in frame or frame.startswith("{") else find_record(frame)
    if found is None:
        return decode(frame)
    version = int(frame[3:5])
    form = dialect(version, frame[_SYSTEM])
    layout = HEADER_96 if _time_at(frame) == 70 else HEADER_86
    inverters = read_energies(_split(frame[layout.width :], END), form)
    if inverters is None:
        return decode(frame)
    sum_w = total(channel.power_w or 0.0 for inverter in inverters for channel in inverter.channels)
    header, _ = _decode_header(frame, layout)
    if not _said(header, version, form).meets(sum_w):
        # The powers of an input may be in another unit.
        return decode(frame)
    return Upload(version=version, ecu=found.ecu, time=found.time, inverters=tuple(inverters))


def _decode_header(frame: str, layout: Layout) -> tuple[dict[str, Any], list[str]]:
    """The header's values, None where one can't be read: that is no reason to lose the others."""
    values, unread = layout.readable(frame[: layout.width])
    problems = [f"header in part not understood ({', '.join(unread)}): {frame[: layout.width]!r}"] if unread else []
    return dict(zip(layout.names, values, strict=True)), problems


def _said(header: dict[str, Any], version: int, form: Dialect) -> Said:
    """What the header's power may mean, and what it does mean where there is nothing to compare it with: the firmware
    that does not fill in the energy counts watts, and so do PLC systems of version 15 (docs/protocol.md, 4.3).
    """
    energy_wh = header["energy_wh"]
    if "power" not in header:
        power_w = header["power_w"]
        return Said(() if power_w is None else (power_w,), energy_wh, power_w)
    power = header["power"]
    if power is None:
        return Said((), energy_wh)
    counts_watts = form is PLC_15 or (version >= 17 and energy_wh == 0)
    return Said((float(power), power / 100), energy_wh, float(power) if counts_watts else None)


def _power(said: Said, inverters: Sequence[Inverter], unread: int, *, is_whole: bool) -> tuple[float | None, str]:
    """The power of the round, and what the inputs say where the header says something else."""
    channel_sum_w = None
    if is_whole:
        channel_sum_w = sum_if_known([channel.power_w for inverter in inverters for channel in inverter.channels])
    if channel_sum_w is None:
        power_w, agrees = of_part_w(said, inverters, unread)
        return power_w, "" if agrees else "the inputs that were read more"
    power_w, agrees = of_whole_w(said, channel_sum_w)
    return power_w, "" if agrees else f"the inputs one of {channel_sum_w:.10g} W, which counts"


def _is_late_round(frame: str, header: dict[str, Any], blocks: int) -> bool:
    """Whether a Linux gateway made this record later, of a round that it had missed (docs/protocol.md, 6.1).

    Of version 16, whose header has no lifetime, only the count and the length are left to tell.
    """
    if int(frame[3:5]) not in _ASSUMED_BLOCK or frame[_CLASS] != "0001":
        return False
    if "lifetime_kwh" in header:
        return bool(header["lifetime_kwh"] == 0)
    return header["count"] in _halves(blocks) and declared_length(frame) == _assumed_length(frame, blocks)


def _assumed_length(frame: str, blocks: int) -> int:
    width = HEADER_96.width if _time_at(frame) == 70 else HEADER_86.width
    return width + _ASSUMED_BLOCK[int(frame[3:5])] * blocks


def _halves(blocks: int) -> tuple[int, int]:
    return blocks // 2, (blocks + 1) // 2


def _split(body: str, end: str) -> list[str]:
    """The blocks before each terminator; whatever follows the last one counts as a block as well, to be reported."""
    parts = body.split(end)
    return parts if parts[-1] else parts[:-1]


def _length_problems(frame: str) -> tuple[str, ...]:
    fault = length_fault(frame)
    return (fault,) if fault else ()


def _decode_tail(tail: str, form: Dialect) -> tuple[tuple[LateGroup, ...], tuple[str, ...]]:
    """Read the groups of a fill-up tail; each is a head and blocks closed by UND, and closed itself by END."""
    groups: list[LateGroup] = []
    problems: list[str] = []
    for group in _split(tail, END):
        head, *blocks = group.split(GROUP_END)
        try:
            (time, _), unread = _GROUP_HEAD.readable(head)
        except FieldError as exc:
            problems.append(f"late group not understood ({exc}): {group!r}")
            continue
        if unread:
            problems.append(f"late group in part not understood ({', '.join(unread)}): {head!r}")
        inverters, block_problems, _ = decode_blocks(blocks[:-1] if blocks and not blocks[-1] else blocks, form)
        groups.append(LateGroup(time, inverters))
        problems += block_problems
        problems += _contradictions.of_inverters(inverters)
    return tuple(groups), tuple(problems)


def _decode_fill_up(frame: str) -> Upload:
    found = find_record(frame)
    ecu, time = (found.ecu, found.time) if found else ("", "")
    version = int(frame[3:5]) if found else 0
    late, problems = _decode_tail(frame[FILL_UP.width + len(TAIL) :], dialect(version, frame[_SYSTEM]))
    problems = (*_length_problems(frame), *problems)
    return Upload(version=version, ecu=ecu, time=time, late=late, has_round=False, problems=problems)


def _decode_json(frame: str) -> Upload:
    """Read the optimizers' record inside; other makers' inverters come without known units and stay a problem."""
    found = find_record(frame) or Found("", "")
    problems: tuple[str, ...] = ()
    try:
        message = json.loads(frame)
    except (ValueError, RecursionError):
        message = {}
        problems = (f"not readable as JSON: {frame!r}",)
    if "SG001" in message:
        problems += (f"inverters of another maker, units unknown: {json.dumps(message['SG001'])!r}",)
    inner = message.get("APS")
    if isinstance(inner, str) and find_record(inner) is not None and not inner.startswith("{"):
        upload = decode(inner)
        problems = (*upload.problems, *problems)
        return replace(upload, ecu=found.ecu or upload.ecu, time=found.time, problems=problems)
    if inner is not None:
        problems += (f"the optimizers' record inside is not understood: {inner!r}",)
    return Upload(version=16, ecu=found.ecu, time=found.time, has_round=False, problems=problems)


def encode(
    upload: Upload,
    *,
    system: str = "AAAA",
    sequence: str = "AAA1",
    hundredths: bool = False,
    interval_energy: bool = True,
    length_pad: str = "0",
) -> str:
    """Write a record without its line feed; what `decode` makes of it equals `upload`.

    `hundredths` is the header's power unit; without `interval_energy` the header says 0 for it, as newer firmware does;
    `length_pad` is the padding of the length field, where newer firmware keeps the `A` of the older one. Raises
    FieldError for what does not fit: more than 999 inverters, or 99,999 characters.
    """
    form = dialect(upload.version, system)
    power_w = upload.power_w or 0
    values = {
        "version": f"{upload.version:02d}",
        "length": "00000",
        "system": system,
        "sequence": sequence,
        "ecu": upload.ecu,
        "power": power_w * 100 if hundredths else power_w,
        "power_w": power_w,
        "energy_wh": upload.energy_wh if interval_energy else 0,
        "lifetime_kwh": upload.lifetime_kwh,
        "time": upload.time,
        "count": len(upload.inverters),
        "zone_flag": "0",
        "more_flag": "0",
        "spare": "0000",
    }
    layout = FILL_UP if not upload.has_round else HEADER_96 if upload.version == 16 else HEADER_86
    written = layout.encode(values, form.pad) + _encode_all(upload.inverters, form, END)
    if upload.late:
        written += TAIL + "".join(_encode_group(group, form) for group in upload.late)
    return with_length(written, length_pad)


def _encode_all(inverters: Sequence[Inverter], form: Dialect, end: str) -> str:
    return "".join(block + end for inverter in inverters for block in encode_blocks(inverter, form))


def _encode_group(group: LateGroup, form: Dialect) -> str:
    head = _GROUP_HEAD.encode({"time": group.time, "count": len(group.inverters)})
    return head + GROUP_END + _encode_all(group.inverters, form, GROUP_END) + END
