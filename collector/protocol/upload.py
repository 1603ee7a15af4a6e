"""Records of the data ports: header, blocks behind it, late groups, and the JSON form (docs/protocol.md, 4 and 6).

`find_record` reads only what an answer needs and is what the server runs before it stores. `decode` reads everything
and never raises for the content of a record: what it cannot read is a line in `problems`. `encode` writes a record from
the same tables.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from collector.protocol.blocks import Inverter, decode_blocks, encode_blocks
from collector.protocol.fields import (
    ID,
    TIME,
    FieldError,
    Layout,
    constant,
    digits,
    length_fault,
    quantity,
    text,
    total,
    with_length,
)
from collector.protocol.forms import Dialect, dialect

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
_SYSTEM, _ECU = slice(10, 14), slice(18, 30)

_JSON_TIME = re.compile(r'"EST"\s*:\s*"([0-9]{14})"', re.ASCII)
_JSON_ECU = re.compile(r'"EID"\s*:\s*"([0-9]{12})"', re.ASCII)
_JSON_QUERY = re.compile(r'\{\s*"EID"\s*:\s*"([0-9]{12})"\s*,?\s*\}', re.ASCII)
_RECORD = re.compile(r"APS[0-9]{2}", re.ASCII)
_NIGHT_QUERY = re.compile(r"APS[0-9]{2}(?:AAA|000)22([0-9]{12})", re.ASCII)

# As repr quotes bytes in a problem; an apostrophe within a word, or an escaped one, begins nothing. A number is a word
# that begins with a digit, so that a time is one as well. Some are no more than the trouble itself: a block's width,
# HTTP's code, and a bucket with its retention.
_PARTICULAR = re.compile(
    r"""(?<![\w\\])(['"])((?:(?!\1)[^\\]|\\.)*)(?:\1|\Z)"""
    r"|(?<!\w)(?<!HTTP )(?!(?<=with )\d{1,3} characters)(?!(?<=\()[\d.]+ (?:day|hour)s?\))\d(?:[\w.:+-]*\w)?",
    re.DOTALL,
)
# A type's code and the names of fields stay: they are what the trouble is about.
_TELLING = re.compile("[0-9A-F]{2}|[A-Za-z_]{3,20}")
# What a kind is told from, and how much is told of it.
_LOOKED_AT = 4000
_TOLD = 400


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

    `has_round` is False for the fill-up message, which carries only late groups and no round of its own.
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

    @property
    def energy_wh(self) -> float:
        """What the gateway counts for this interval: the sum over the inverters."""
        return total(inverter.energy_wh for inverter in self.inverters)


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
    header, header_problems = _decode_header(frame, layout)
    form = dialect(version, frame[_SYSTEM])
    body, _, tail = frame[layout.width :].partition(TAIL)
    inverters, block_problems = decode_blocks(_split(body, END), form)
    late, late_problems = _decode_tail(tail, form)
    problems = (*_length_problems(frame), *header_problems, *block_problems, *late_problems)
    if "count" in header and header["count"] != len(inverters) and not block_problems:
        problems += (f"the header counts {header['count']} inverters, {len(inverters)} were found",)
    power_w = header.get("power_w")
    if "power" in header:
        power_w = header_power_w(header["power"], total(inverter.dc_power_w for inverter in inverters))
    return Upload(
        version=version,
        ecu=found.ecu,
        time=found.time,
        inverters=inverters,
        power_w=power_w,
        # The counter is never 0 once anything was produced; late rounds say 0 for "not known".
        lifetime_kwh=header.get("lifetime_kwh") or None,
        late=late,
        problems=problems,
    )


def _decode_header(frame: str, layout: Layout) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The header's values, or none of them: one bad digit in it must not cost the blocks behind it."""
    try:
        return layout.decode(frame[: layout.width]), ()
    except FieldError as exc:
        return {}, (f"header not understood ({exc})",)


def kind_of_problem(problem: str) -> str:
    """A line of `problems`, or some of them with `; ` between, without the bytes it quotes, its numbers and times, and
    each part once: so that the same trouble of many records reads the same. What is such a text already stays as it is.
    """
    bare = _PARTICULAR.sub(_in_general, problem[:_LOOKED_AT])
    kind = "; ".join(dict.fromkeys(bare.split("; ")))
    return kind if len(kind) <= _TOLD else f"{kind[: _TOLD - 3]}..."


def _in_general(found: re.Match[str]) -> str:
    if found[1] is None:
        return "N"
    is_telling = _TELLING.fullmatch(found[2]) or found.string.endswith("bucket ", 0, found.start())
    return found[0] if is_telling else "..."


def header_power_w(power: int, channel_sum_w: float) -> float | None:
    """Settle whether a header counts watts or hundredths of one (docs/protocol.md, 4.3).

    The header is the sum of the channels' powers, so of the two units it is the one that gives their sum, or comes
    nearer to it where a block could not be read. A header of 0 was not filled. None where there is nothing to compare
    with.
    """
    if power == 0:
        return channel_sum_w
    if channel_sum_w <= 0:
        return None
    in_watts, in_hundredths = float(power), power / 100
    return min(in_watts, in_hundredths, key=lambda value: max(value / channel_sum_w, channel_sum_w / value))


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
            values = _GROUP_HEAD.decode(head)
        except FieldError as exc:
            problems.append(f"late group not understood ({exc}): {group!r}")
            continue
        inverters, block_problems = decode_blocks(blocks[:-1] if blocks and not blocks[-1] else blocks, form)
        groups.append(LateGroup(values["time"], inverters))
        problems += block_problems
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
        return Upload(
            version=upload.version,
            ecu=found.ecu or upload.ecu,
            time=found.time,
            inverters=upload.inverters,
            power_w=upload.power_w,
            late=upload.late,
            has_round=upload.has_round,
            problems=problems,
        )
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
