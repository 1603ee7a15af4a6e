"""Records as lines, against a second reading of docs/protocol.md.

Blocks are drawn digit by digit after the page's own layouts, and their lines are worked out in whole steps of the
fields, one after the other and without anything of the decoder. What it gives must be the same to the byte.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.config.names import Names
from collector.points.decoding import decode
from collector.points.lines import LineWriter
from tests.samples import ECU, TIME, TIME_UTC, config, ns, stored
from tests.test_protocol_doc import LAYOUTS

AT = ns(TIME_UTC)
LATE_TIME, LATE = "20260621114500", ns("2026-06-21T09:45:00Z")

# The only inverter with names, and how these are written as tags.
NAMED = "408000000001"
NAMES = Names(
    config(
        ecu=({"id": ECU, "name": "Roof, east"},),
        inverter=(
            {
                "id": NAMED,
                "name": "a=b",
                "panels": ({"channel": 2, "name": "South 2", "array": "South", "peak_w": 400},),
            },
        ),
    )
)

STEPS = {"gv": 1, "f": 10, "Q": 100, "P": 100, "Eo": 1000, "dv": 10, "di": 10, "E": 1000, "op": 100}
STEPS |= {"out-v": 1000, "out-i": 1000, "out-p": 1000, "out-E": 1000}
STEPS |= {"pv-v": 1000, "pv-i": 1000, "pv-p": 1000, "pv-E": 1000}
MODELS = {"03": "YC500", "04": "YC1000", "05": "YC250", "07": "YC600", "08": "QS1", "optimizer": "OPT"}
COUNTS_AC = ("03", "05")
AC_SHARE = Fraction(94, 100)
# From here on a current is not believed.
MOST = {"pv-i": 60_001}


@dataclass(frozen=True)
class Block:
    """A block without its closing letters; `found` has the numbers of each field in steps, and flags as bits."""

    layout: str
    text: str
    uid: str
    celsius: int
    found: dict[str, list[int]]

    def unit(self, name: str) -> int:
        if name not in ("P", "Q"):
            return STEPS[name]
        of_type, other = (10, 100) if self.layout == "08" else (100, 10)
        power, expected = sum(self.found["P"]), [AC_SHARE * watts for watts in (self.sum("op"), self.volt_amperes())]
        if not power or not expected[0]:
            return of_type
        keeps = (
            abs(Fraction(power, of_type) - watts) <= abs(Fraction(power, other) - watts) for watts in expected if watts
        )
        return of_type if any(keeps) else other

    def volt_amperes(self) -> Fraction:
        currents = self.found["di"]
        voltages = self.found["dv"] * (1 if len(self.found["dv"]) > 1 else len(currents))
        return Fraction(sum(volts * amperes for volts, amperes in zip(voltages, currents, strict=True)), 100)

    def value(self, name: str, place: int = 0) -> Fraction:
        return Fraction(self.found[name][place], self.unit(name))

    def sum(self, name: str) -> Fraction:
        return Fraction(sum(self.found.get(name, [])), self.unit(name))


@st.composite
def blocks(draw: st.DrawFn, layout: str, *, letters: bool, given: Mapping[str, Sequence[int]] | None = None) -> Block:
    """A block as one firmware or the other pads it; `letters` mark the sign of its temperature. What is not `given` is
    drawn.
    """
    pad, celsius = "A" if letters else "0", draw(st.integers(-99, 100))
    uid = draw(st.just(NAMED) | st.integers(0, 10**12 - 1).map("{:012d}".format))
    digits, zeros = draw(st.integers(0, 10**200)), draw(st.sets(st.sampled_from(["P", "op"])))
    found: dict[str, list[int]] = {}
    text, ids = "", iter(LAYOUTS[layout].ids)
    for name, width in LAYOUTS[layout].fields:
        match name:
            case "END":
                pass
            case "uid":
                text += uid
            case "type":
                text += layout[:2]
            case "id":
                text += next(ids)
            case "t" if letters or layout in COUNTS_AC:
                text += (str(celsius) if celsius >= 0 else f"B{-celsius}").rjust(3, "A")
            case "t":
                text += f"{celsius + 100:03d}"
            case "st":
                digits, flags = divmod(digits, 2**width)
                found.setdefault(name, []).append(flags)
                text += "".join(str(flags >> place & 1) for place in range(width))
            case _:
                own = found.setdefault(name, [])
                digits, steps = divmod(digits, MOST.get(name, 10**width))
                if given and name in given:
                    steps = given[name][len(own)]
                own.append(0 if name in zeros else steps)
                if name == "Q" and steps % 2:
                    own[-1] = -(steps % 10 ** (width - 1))
                text += f"{own[-1]:0{width}d}" if own[-1] < 0 else str(own[-1]).rjust(width, pad)
    return Block(layout, text, uid, celsius, found)


@st.composite
def optimizers(draw: st.DrawFn) -> Block:
    """Optimizers give out most of what they take in; anything else in that place would be a running total."""
    taken = draw(st.tuples(st.integers(0, 999_999), st.integers(0, 999_999)))
    out = sum(taken) - sum(taken) * draw(st.integers(0, 40)) // 100
    return draw(blocks("optimizer", letters=False, given={"pv-E": taken, "out-E": [out]}))


def distinct(kinds: st.SearchStrategy[Block], *, least: int = 1) -> st.SearchStrategy[list[Block]]:
    return st.lists(kinds, min_size=least, max_size=4, unique_by=lambda block: block.uid)


def frame(version: int, own: Sequence[Block], late: Sequence[Block], lifetime: int = 0) -> bytes:
    """A record whose header leaves the power to be summed up."""
    body = f"AAAAAAA1{ECU}{0:010d}{0:010d}{lifetime:010d}{TIME}{len(own):03d}000000END"
    body += "".join(f"{block.text}END" for block in own)
    if late:
        body += f"ADD{LATE_TIME}{len(late):03d}UND" + "".join(f"{block.text}UND" for block in late) + "END"
    return f"APS{version}{len(body) + 10:05d}{body}".encode()


def lines(raw: bytes) -> list[str]:
    """All but the event that tells of figures which contradict each other, as most of those that are drawn do."""
    found = decode(stored(raw, AT + 60 * 10**9), NAMES, None)
    assert [problem for problem in found.problems if "against" not in problem and "implausible" not in problem] == []
    return [LineWriter().line(point) for point in found.points if point.measurement != "event"]


def line(series: str, at: int, **fields: Fraction | int | str | None) -> str:
    """A line of those fields that are there: fractions as the float next to them, flags and counts as integers."""
    written = [
        f"{name}={value}i" if isinstance(value, int) else f"{name}={float(value)!r}"
        for name, value in fields.items()
        if value is not None
    ]
    return f"{series} {','.join(written)} {at}"


def ecu_line(own: Sequence[Block], lifetime: int) -> str:
    dc_power_w, ac_power_w = (sum((block.sum(name) for block in own), Fraction(0)) for name in ("op", "P"))
    return line(
        f"ecu,ecu={ECU},ecu_name=Roof\\,\\ east",
        AT,
        power_w=dc_power_w,
        ac_power_w=ac_power_w if all(map(is_measured, own)) else rounded(dc_power_w * AC_SHARE, 2),
        energy_wh=sum((energy_wh(block) for block in own), Fraction(0)),
        ac_energy_wh=sum((ac_energy_wh(block) for block in own), Fraction(0)),
        lifetime_kwh=Fraction(lifetime, 10) if lifetime else None,
        inverters_reporting=len(own),
    )


def energy_wh(block: Block) -> Fraction:
    return block.sum("Eo" if block.layout in COUNTS_AC else "E")


def ac_energy_wh(block: Block) -> Fraction:
    """What 5.9 of the page says."""
    sent_wh, dc_wh = block.sum("Eo"), block.sum("E")
    if block.layout in COUNTS_AC:
        return sent_wh
    if sent_wh > 0 and Fraction(4, 5) * dc_wh <= sent_wh <= dc_wh:
        return sent_wh
    ac_w, dc_w = block.sum("P"), block.sum("op")
    is_told = 0 < ac_w <= dc_w and Fraction(4, 5) * dc_w <= ac_w
    return rounded(dc_wh * (ac_w / dc_w if is_told else AC_SHARE), 3)


def rounded(value: Fraction, decimals: int) -> Fraction:
    return Fraction(str(round(float(value), decimals)))


def is_measured(block: Block) -> bool:
    return block.sum("P") > 0 or block.sum("op") == 0


def tags(block: Block) -> str:
    name = "a\\=b" if block.uid == NAMED else block.uid
    return f"ecu={ECU},inverter={block.uid},inverter_name={name},model={MODELS[block.layout.removesuffix('-status')]}"


def channel_line(block: Block, number: int, at: int, **fields: Fraction) -> str:
    panel, array, peak_w = f"{block.uid}-{number}", "Roof\\,\\ east", None
    if (block.uid, number) == (NAMED, 2):
        panel, array, peak_w = "South\\ 2", "South", Fraction(400)
    series = f"channel,{tags(block)},channel={number},panel={panel},array={array}"
    return line(series, at, **fields, peak_w=peak_w)


def block_lines(block: Block, at: int) -> Iterator[str]:
    """Of an inverter and what belongs to it."""
    phases = len(block.found["P"])
    measured = is_measured(block)
    yield line(
        f"inverter,{tags(block)}",
        at,
        dc_power_w=block.sum("op"),
        ac_power_w=block.sum("P") if measured else None,
        reactive_power_var=block.sum("Q"),
        energy_wh=energy_wh(block),
        ac_energy_wh=ac_energy_wh(block),
        grid_voltage_v=block.sum("gv") / phases,
        grid_frequency_hz=block.value("f"),
        temperature_c=Fraction(block.celsius),
        status=any_of(block.found["st"]) if "st" in block.found else None,
    )
    for place in range(len(block.found["op"])):
        yield channel_line(
            block,
            place + 1,
            at,
            power_w=block.value("op", place),
            voltage_v=block.value("dv", place if len(block.found["dv"]) > 1 else 0),
            current_a=block.value("di", place),
            energy_wh=block.value("E", place),
        )
    for place in range(phases if phases > 1 else 0):
        yield line(
            f"phase,{tags(block)},phase={place + 1}",
            at,
            grid_voltage_v=block.value("gv", place),
            ac_power_w=block.value("P", place) if measured else None,
            reactive_power_var=block.value("Q", place),
            energy_wh=block.value("Eo", place),
        )


def any_of(flags: Sequence[int]) -> int:
    joined = 0
    for bits in flags:
        joined |= bits
    return joined


def optimizer_lines(block: Block) -> Iterator[str]:
    yield line(
        f"inverter,{tags(block)}",
        AT,
        dc_power_w=block.sum("pv-p"),
        energy_wh=block.sum("pv-E"),
        temperature_c=Fraction(block.celsius),
    )
    for place in range(2):
        yield channel_line(
            block,
            place + 1,
            AT,
            power_w=block.value("pv-p", place),
            voltage_v=block.value("pv-v", place),
            current_a=block.value("pv-i", place),
            energy_wh=block.value("pv-E", place),
        )
    yield line(
        f"optimizer,{tags(block)}",
        AT,
        output_voltage_v=block.value("out-v"),
        output_current_a=block.value("out-i"),
        output_power_w=block.value("out-p"),
        output_energy_wh=block.value("out-E"),
        temperature_c=Fraction(block.celsius),
    )


@pytest.mark.parametrize(
    ("version", "layouts", "letters"),
    [(18, ("03", "04", "05", "07", "08"), False), (14, ("03", "04-status", "05", "07", "08"), True)],
)
@settings(max_examples=50)
@given(data=st.data(), lifetime=st.integers(0, 10**10 - 1))
def test_every_digit_of_a_record_is_in_its_lines(
    version: int, layouts: Sequence[str], letters: bool, data: st.DataObject, lifetime: int
) -> None:
    kinds = st.one_of([blocks(layout, letters=letters) for layout in layouts])
    own, late = data.draw(distinct(kinds)), data.draw(distinct(kinds, least=0))
    expected = [ecu_line(own, lifetime)]
    expected += [written for block in own for written in block_lines(block, AT)]
    expected += [written for block in late for written in block_lines(block, LATE)]
    assert lines(frame(version, own, late, lifetime)) == expected


@settings(max_examples=25)
@given(distinct(optimizers()))
def test_every_digit_of_optimizers_is_in_their_lines(own: list[Block]) -> None:
    body = f"AAAA0001{ECU}{0:040d}{TIME}{len(own):03d}000000END" + "".join(f"{block.text}END" for block in own)
    _ecu, *found = lines(f"APS16{len(body) + 10:05d}{body}".encode())
    assert found == [written for block in own for written in optimizer_lines(block)]
