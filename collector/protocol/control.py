"""Messages of the control port: which are answered, which only kept, and what the kept ones say (docs/protocol.md, 7).

Whatever arrives is stored as it came. This module tells the messages apart and reads the reports; the answers, of which
there are five, stand in `answers`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from collector.protocol.fields import FieldError, Layout, constant, digits, length_fault, open_text, text

END = "END"
_BODY = 30

_RECORD_HEAD = Layout(text("count", 4), digits("time", 14), constant(END))
_STATUS_QUERY = "0" * 18 + END
_POLL = Layout(constant("A101"), digits("time", 14), constant(END))
_GATEWAY_QUERY = Layout(digits("time", 14), constant(END))
# Commands whose time stamp is the key under which the gateway keeps the record.
_KEYED = ("A123", "A156", "A158")
# The report that some firmware repeats until its time stamp comes back, which others leave at zeros.
CONFIRMED = "A147"
_NO_TIME = "0" * 14
_ANSWERED = {"A101": _POLL, "A157": _GATEWAY_QUERY, "A159": _GATEWAY_QUERY}


def fault(frame: str, *, is_report: bool = False) -> str | None:
    """Why a control message is not to be trusted: a line for the log; None when its outside is in order.

    A report may have any bytes, for firmware prints some that it has never set; all other messages are ASCII.
    """
    if not (is_report or frame.isascii()):
        return "a control message with bytes outside ASCII"
    if not frame.endswith(END):
        return "a control message without its END"
    return length_fault(frame)


def answer_fault(frame: str, command: str) -> str | None:
    """Why a message of an answered kind must not be: its gateway id or its layout is not what it should be."""
    if not frame[18:30].isdigit():
        return f"{command} without a gateway id"
    body = frame[_BODY:]
    try:
        if command in _KEYED:
            if body != _STATUS_QUERY or command != "A123":
                _RECORD_HEAD.decode(body[: _RECORD_HEAD.width])
        else:
            _ANSWERED[command].decode(body)
    except FieldError as exc:
        return f"{command} {exc}"
    return None


def is_status_query(frame: str) -> bool:
    """Tell the question for stored A123 records, which is all zeros, from such a record."""
    return frame[_BODY:] == _STATUS_QUERY


def own_time(frame: str, command: str) -> str:
    """The key of a record; empty for messages that are none, and for the query, whose digits are all 0."""
    if command == CONFIRMED:
        return _to_confirm(frame[_BODY:])
    if command not in _KEYED or is_status_query(frame):
        return ""
    return frame[_BODY + 4 : _BODY + 18]


def _to_confirm(body: str) -> str:
    try:
        time = str(_RECORD_HEAD.decode(body[: _RECORD_HEAD.width])["time"])
    except FieldError:
        return ""
    return "" if time == _NO_TIME else time


@dataclass(frozen=True, slots=True)
class ReportForm:
    """What a report is about, and the layouts of its head and of the entries behind it, each without its END."""

    title: str
    head: Layout
    entry: Layout


@dataclass(frozen=True, slots=True)
class Report:
    """A report, read. `values` and `entries` are texts as sent, but for bytes that are no text, which stand there as
    `\\xff` and the like; `unread` has the parts that have no known layout.
    """

    title: str
    values: Mapping[str, str]
    entries: tuple[Mapping[str, str], ...]
    unread: tuple[str, ...]

    @property
    def text(self) -> str:
        """One line for a person."""
        parts = [_words(self.values), *(_words(entry) for entry in self.entries), *self.unread]
        return f"{self.title}: {'; '.join(part for part in parts if part)}"


def _words(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in values.items() if not _is_blank(value))


def _is_blank(value: str) -> bool:
    """Unset values are runs of `A`, unset time stamps are zeros."""
    return not value.strip("A") or value == _NO_TIME


_COUNTED = Layout(text("count", 4), text("time", 14))
_SETTINGS = Layout(text("command_time", 14))
_ANY = Layout(open_text("text"))
_INVERTER = text("inverter", 12)


def _of_inverters(title: str, *entry: str | int) -> ReportForm:
    """A result for each inverter; the entry is given as names and widths in turn, without widths as open text."""
    names, widths = entry[::2], entry[1::2]
    fields = [text(str(name), int(width)) for name, width in zip(names, widths, strict=False)]
    if len(names) > len(widths):
        fields.append(open_text(str(names[-1])))
    return ReportForm(title, _COUNTED, Layout(_INVERTER, *fields))


REPORTS = {
    "A100": ReportForm("acknowledgement", Layout(text("command", 4), text("command_time", 14), text("flag", 1)), _ANY),
    "A102": ReportForm(
        "firmware and inverters",
        Layout(constant("00", "[0-9]{2}"), open_text("version"), text("inverters", 3), text("command_time", 14)),
        Layout(_INVERTER, text("type", 2), text("inverter_version", 5)),
    ),
    "A104": ReportForm("time zone", Layout(text("local_time", 14), text("command_time", 14), open_text("zone")), _ANY),
    "A106": ReportForm(
        "communication",
        Layout(text("sections", 1), text("command_time", 14)),
        Layout(
            text("use", 1),
            text("port", 5),
            text("second_port", 5),
            text("timeout_s", 3),
            text("interval_min", 2),
            text("kind", 1),
            open_text("host"),
        ),
    ),
    "A113": ReportForm("protection limits, 5 items", _SETTINGS, _ANY),
    "A114": _of_inverters("inverters' protection limits, 5 items", "limits"),
    "A115": _of_inverters("ground fault states", "state", 1),
    "A116": _of_inverters("on and off states", "state", 1),
    "A117": _of_inverters("power limits", "power", 3, "range", 6),
    "A120": ReportForm("protection limits, 13 items", _SETTINGS, _ANY),
    "A121": _of_inverters("inverters' protection limits, 13 items", "limits"),
    "A124": _of_inverters("grid environment", "mode", 1),
    "A126": _of_inverters("IRD option", "mode", 1),
    "A128": _of_inverters("signal strength", "signal"),
    "A129": ReportForm("grid quality", Layout(text("quality", 1), text("command_time", 14)), _ANY),
    "A130": ReportForm("protection limits, 17 items", _SETTINGS, _ANY),
    "A131": _of_inverters("inverters' protection limits, 17 items", "limits"),
    "A135": _of_inverters("inverter update", "version", 5, "result", 2),
    "A139": _of_inverters("anti-theft state", "state"),
    "A145": _of_inverters("power factor", "letter", 1, "factor", 3),
    "A147": _of_inverters("inverter update", "result", 2, "version", 6, "at", 14),
    "A149": _of_inverters("mismatching inverter ids", "text"),
    "A151": _of_inverters("changed inverter ids", "text"),
    "A161": _of_inverters("inverters' protection limits by code", "items", 3, "limits"),
    "A168": ReportForm("protection limits by code", _SETTINGS, Layout(text("items", 3), open_text("limits"))),
    "A172": _of_inverters("ZigBee channel", "channel", 2, "pan", 4, "address", 5),
    "A174": _of_inverters("ZigBee answer", "length", 3, "text"),
    # These three are records with an answer; they are read by the same rule.
    "A123": _of_inverters(
        "abnormal states", "type", 2, "ac", 1, "temperature", 1, "ground_fault", 1, "control", 1, "flags"
    ),
    "A156": _of_inverters(
        "gateway alarms", "on", 1, "function", 1, "pv1", 1, "pv2", 1, "timeout_s", 3, "pv2_alarm", 1, "spare"
    ),
    "A158": _of_inverters(
        "gateway counters", "heartbeat", 5, "off", 5, "restart", 3, "rssi", 3, "pv1_low", 5, "pv2_low", 5
    ),
}


def decode(frame: str, command: str) -> Report:
    """Read a report whose outside `fault` found in order. Never raises: what has another layout stands in `unread`."""
    form = REPORTS[command]
    head, *entries = frame[_BODY:].removesuffix(END).split(END)
    unread = []
    values: Mapping[str, str] = {}
    try:
        values = _legible(form.head.decode(head))
    except FieldError:
        unread.append(_shown(head))
    read = []
    for entry in entries:
        try:
            read.append(_legible(form.entry.decode(entry)))
        except FieldError:
            unread.append(_shown(entry))
    return Report(form.title, values, tuple(read), tuple(unread))


def _legible(values: Mapping[str, str]) -> Mapping[str, str]:
    return {name: _shown(value) for name, value in values.items()}


def _shown(text: str) -> str:
    """A text with its bytes outside ASCII written out, as `repr` of bytes does."""
    return text.encode("ascii", "backslashreplace").decode("ascii")
