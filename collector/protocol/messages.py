"""Which kind of message a frame is."""

import re

from collector.protocol import control, upload
from collector.protocol.fields import ID
from collector.protocol.kinds import Kind, Message

_CONTROL = re.compile(r"APS[0-9]{2}.{5}(A[0-9]{3})", re.ASCII | re.DOTALL)


def read(raw: bytes) -> Message:
    """Read a frame by its content, whichever port it came in on. Never raises.

    Bytes outside ASCII are read one for one, so that they spoil no more than the field they stand in.
    """
    frame = raw.decode("latin-1")
    if match := _CONTROL.match(frame):
        return _read_control(raw, frame, match[1])
    found = upload.find_record(frame)
    if found is None:
        return Message(Kind.UNKNOWN, raw, reason="no time stamp of a record where one should be")
    kind = Kind.RECORD if found.time else Kind.RECORD_QUERY
    return Message(kind, raw, found.ecu, found.time)


_ANSWERED = {
    "A101": Kind.POLL,
    "A156": Kind.GATEWAY,
    "A157": Kind.GATEWAY_QUERY,
    "A158": Kind.GATEWAY,
    "A159": Kind.GATEWAY_QUERY,
}


def _read_control(raw: bytes, frame: str, command: str) -> Message:
    ecu = frame[18:30] if ID.fullmatch(frame[18:30]) else ""
    is_report = command in control.REPORTS and command != "A123" and command not in _ANSWERED
    fault = control.fault(frame, is_report=is_report)
    if fault:
        return Message(Kind.UNKNOWN, raw, ecu, command=command, reason=fault)
    if is_report:
        return Message(Kind.REPORT, raw, ecu, control.own_time(frame, command), command)
    if command == "A123":
        kind = Kind.STATUS_QUERY if control.is_status_query(frame) else Kind.STATUS
    elif command in _ANSWERED:
        kind = _ANSWERED[command]
    else:
        return Message(Kind.REFUSED, raw, ecu, command=command, reason=f"{command} is no message of a gateway")
    fault = control.answer_fault(frame, command)
    if fault:
        return Message(Kind.UNKNOWN, raw, ecu, command=command, reason=fault)
    return Message(kind, raw, ecu, control.own_time(frame, command), command)
