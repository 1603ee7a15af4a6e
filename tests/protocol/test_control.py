"""Messages of the control port: their kinds, and what the reports say."""

import pytest

from collector.protocol import control as reader
from collector.protocol.kinds import Kind
from collector.protocol.messages import read
from tests.protocol.helpers import ECU, POLL, TIME, control, three_ways
from tests.protocol.test_answers import ALARM, GATEWAY, GATEWAY_QUERIES, STATUS, STATUS_QUERY, T1


def report(frame: bytes) -> reader.Report:
    message = read(frame)
    assert message.command in reader.REPORTS, message
    assert message.kind in (Kind.REPORT, Kind.STATUS, Kind.GATEWAY), message
    return reader.decode(frame.decode(), message.command)


def counted(command: str, *entries: str) -> bytes:
    return control(command, f"{len(entries):04d}{'0' * 14}END" + "END".join(entries))


@pytest.mark.parametrize(
    ("frame", "kind", "command", "time"),
    [
        (POLL, Kind.POLL, "A101", ""),
        (STATUS, Kind.STATUS, "A123", T1),
        (STATUS_QUERY, Kind.STATUS_QUERY, "A123", ""),
        (ALARM, Kind.GATEWAY, "A156", T1),
        (GATEWAY, Kind.GATEWAY, "A158", T1),
        (GATEWAY_QUERIES[0], Kind.GATEWAY_QUERY, "A157", ""),
        (GATEWAY_QUERIES[1], Kind.GATEWAY_QUERY, "A159", ""),
        (control("A104", f"{TIME}{'0' * 14}Etc/GMT-1"), Kind.REPORT, "A104", ""),
        (control("A147", f"0001{T1}END40800000000100001012{T1}"), Kind.REPORT, "A147", T1),
        (control("A147", f"0001{'0' * 14}END40800000000100001012{T1}"), Kind.REPORT, "A147", ""),
        (control("A105", f"{TIME}Etc/GMT-1"), Kind.REFUSED, "A105", ""),
        (control("A999", ""), Kind.REFUSED, "A999", ""),
    ],
)
def test_the_command_settles_the_kind_and_only_records_have_a_time(
    frame: bytes, kind: Kind, command: str, time: str
) -> None:
    message = three_ways(frame)
    assert (message.kind, message.ecu, message.command, message.time) == (kind, ECU, command, time)
    assert bool(message.reason) == (kind is Kind.REFUSED)


def test_the_version_of_a_control_message_does_not_matter() -> None:
    for version in ("13", "15", "16", "99"):
        assert read(control("A101", "A10100000000000000", version=version)).kind is Kind.POLL


@pytest.mark.parametrize(
    "number",
    [3, 5, 7, 8, 9, 10, 11, 12, 18, 19, 22, 25, 27, 32, 34, 36, 38, 40, 41, 42, 43, 44, 46, 48, 50, 60, 62, 71, 73],
)
def test_a_command_that_only_the_vendor_sends_is_refused(number: int) -> None:
    message = read(control(f"A1{number:02d}", TIME))
    assert message.kind is Kind.REFUSED
    assert message.reason == f"A1{number:02d} is no message of a gateway"


@pytest.mark.parametrize(
    "number", [0, 2, 4, 6, 13, 14, 15, 16, 17, 20, 21, 24, 26, 28, 29, 30, 31, 35, 39, 45, 47, 49, 51, 61, 68, 72, 74]
)
def test_a_report_is_kept_without_an_answer_whatever_it_says(number: int) -> None:
    assert read(control(f"A1{number:02d}", "anything")).kind is Kind.REPORT


UNSET_AREA = b"R1.2.3SAA\xff\xff\xff\xff\xff--3"


def with_unset_area() -> bytes:
    """An A102 whose firmware prints an area that was never set."""
    frame = control("A102", f"17{'~' * len(UNSET_AREA)}001{T1}END4080000001010700012")
    return frame.replace(b"~" * len(UNSET_AREA), UNSET_AREA)


def test_a_report_may_have_any_bytes_which_are_shown_for_what_they_are() -> None:
    message = three_ways(with_unset_area())
    assert (message.kind, message.ecu, message.reason) == (Kind.REPORT, ECU, "")
    read_out = reader.decode(message.raw.decode("latin-1"), "A102")
    assert read_out.values["version"] == r"R1.2.3SAA\xff\xff\xff\xff\xff--3"
    assert read_out.unread == ()
    assert read_out.text == (
        rf"firmware and inverters: version R1.2.3SAA\xff\xff\xff\xff\xff--3, inverters 001, command time {T1};"
        " inverter 408000000101, type 07, inverter version 00012"
    )


def test_bytes_of_a_report_that_nobody_can_read_are_shown_as_well() -> None:
    frame = control("A115", f"0001{'0' * 14}END~").replace(b"~", b"\xfe")
    assert reader.decode(frame.decode("latin-1"), "A115").unread == (r"\xfe",)


@pytest.mark.parametrize("frame", [STATUS, STATUS_QUERY, ALARM, GATEWAY, *GATEWAY_QUERIES, control("A105", T1)])
def test_what_is_no_report_may_have_none_but_ascii(frame: bytes) -> None:
    message = read(
        frame.replace(b"END", b"\xffND", 1) if frame.count(b"END") > 1 else frame[:14] + b"\xff" + frame[15:]
    )
    assert (message.kind, message.reason) == (Kind.UNKNOWN, "a control message with bytes outside ASCII")


def test_a_report_with_a_garbled_id_is_kept_without_one() -> None:
    message = read(control("A102", "04M1.0" + "000" + "0" * 14, ecu="00000000A--2"))
    assert (message.kind, message.ecu) == (Kind.REPORT, "")


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (POLL[:-1], "a control message without its END"),
        (POLL.replace(b"00051", b"00052"), "the length field says '00052', the message has 51 characters"),
        (POLL.replace(b"AAA0", b"AA\xff0"), "a control message with bytes outside ASCII"),
        (POLL.replace(ECU.encode(), b"00000000A--2"), "A101 without a gateway id"),
        (STATUS.replace(T1.encode(), b"2026040112153x"), "A123 not of the expected form: '00012026040112153xEND'"),
    ],
)  # fmt: skip
def test_a_message_that_is_not_in_order_is_unknown_for_a_reason(frame: bytes, reason: str) -> None:
    message = read(frame)
    assert (message.kind, message.reason) == (Kind.UNKNOWN, reason)
    assert message.command
    assert message.ecu == ("" if "gateway id" in reason else ECU)


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (
            b"APS1300106A102AAA012345678901310M1.0SAA--200200000000000000END2017032200010000000END2017031500010000000END",
            "firmware and inverters: version M1.0SAA--2, inverters 002; "
            "inverter 201703220001, type 00, inverter version 00000; "
            "inverter 201703150001, type 00, inverter version 00000",
        ),
        (
            control("A104", f"{TIME}{T1}Etc/GMT+8"),
            f"time zone: local time {TIME}, command time {T1}, zone Etc/GMT+8",
        ),
        (
            control("A106", f"2{T1}END10899508996010051ecu.example.orgEND20899708997010151192.0.2.1"),
            f"communication: sections 2, command time {T1}; "
            "use 1, port 08995, second port 08996, timeout s 010, interval min 05, kind 1, host ecu.example.org; "
            "use 2, port 08997, second port 08997, timeout s 010, interval min 15, kind 1, host 192.0.2.1",
        ),
        (control("A100", f"A105{T1}0"), f"acknowledgement: command A105, command time {T1}, flag 0"),
        (control("A113", f"{T1}END{'A' * 50}"), f"protection limits, 5 items: command time {T1}"),
        (control("A120", f"{'0' * 14}END{'A' * 71}253"), f"protection limits, 13 items: text {'A' * 71}253"),
        (control("A129", f"1{T1}"), f"grid quality: quality 1, command time {T1}"),
        (
            control("A168", f"{T1}END001AA000253"),
            f"protection limits by code: command time {T1}; items 001, limits AA000253",
        ),
        (counted("A115", "4080000000011"), "ground fault states: count 0001; inverter 408000000001, state 1"),
        (
            counted("A116", "4080000000011", "4080000000020"),
            "on and off states: count 0002; inverter 408000000001, state 1; inverter 408000000002, state 0",
        ),
        (
            counted("A117", "408000000001250020300"),
            "power limits: count 0001; inverter 408000000001, power 250, range 020300",
        ),
        (counted("A124", "4080000000011"), "grid environment: count 0001; inverter 408000000001, mode 1"),
        (counted("A128", "408000000001255"), "signal strength: count 0001; inverter 408000000001, signal 255"),
        (
            counted("A135", "4080000000010101200"),
            "inverter update: count 0001; inverter 408000000001, version 01012, result 00",
        ),
        (counted("A145", "408000000001A095"), "power factor: count 0001; inverter 408000000001, factor 095"),
        (
            counted("A147", "408000000001" + "01" + "001012" + T1),
            f"inverter update: count 0001; inverter 408000000001, result 01, version 001012, at {T1}",
        ),
        (
            counted("A172", "000000000000" + "0F" + "ABCD" + "00001"),
            "ZigBee channel: count 0001; inverter 000000000000, channel 0F, pan ABCD, address 00001",
        ),
        (
            counted("A174", "408000000001007TimeOut"),
            "ZigBee answer: count 0001; inverter 408000000001, length 007, text TimeOut",
        ),
        (
            STATUS,
            f"abnormal states: count 0001, time {T1}; inverter 408000000001, type 07",
        ),
        (
            ALARM,
            f"gateway alarms: count 0001, time {T1}; "
            "inverter 601000000001, on 1, function 1, pv1 1, pv2 1, timeout s 005, pv2 alarm 1, spare 00",
        ),
        (
            GATEWAY,
            f"gateway counters: count 0001, time {T1}; "
            "inverter 601000000001, heartbeat 00001, off 00002, restart 003, rssi 004, pv1 low 00005, pv2 low 00006",
        ),
    ],
)  # fmt: skip
def test_a_report_reads_as_one_line_for_a_person(frame: bytes, text: str) -> None:
    assert report(frame).text == text
    assert report(frame).unread == ()


def test_the_firmware_version_and_the_zone_can_be_picked_out_of_their_reports() -> None:
    version = report(control("A102", "18ECU_R_M3_1.0SAA--2" + "000" + "0" * 14))
    assert version.values["version"] == "ECU_R_M3_1.0SAA--2"
    assert version.entries == ()
    assert report(control("A104", f"{TIME}{'0' * 14}Europe/Stockholm")).values["zone"] == "Europe/Stockholm"


def test_what_has_another_layout_is_kept_as_it_is_beside_the_rest() -> None:
    odd = report(counted("A115", "4080000000011", "odd", "4080000000020"))
    assert [entry["state"] for entry in odd.entries] == ["1", "0"]
    assert odd.unread == ("odd",)
    assert odd.text.endswith("; odd")
    headless = report(control("A115", "odd" + "END" + "4080000000011"))
    assert (headless.values, headless.unread) == ({}, ("odd",))
