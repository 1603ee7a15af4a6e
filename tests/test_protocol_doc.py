"""docs/protocol.md agrees with itself: its layouts add up, its vectors fit them, its answers follow from its own table.

Nothing of the package is imported: the page is checked by plain string arithmetic, as a second implementation would
read it. Where the recorded messages are at hand, the layouts are held against them too.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
CAPTURES = ROOT.parent / "shared" / "captures"

OUTLINE = (
    *("1", "2", "2.1", "2.2", "2.3", "2.4", "3", "3.1", "3.2", "3.3", "3.4", "3.5", "4", "4.1", "4.2", "4.3", "4.4"),
    *("5", "5.1", "5.2", "5.3", "5.4", "5.5", "5.6", "5.7", "5.8", "5.9", "5.10", "5.11"),
    *("6", "6.1", "6.2", "6.3", "6.4", "7", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "7.7", "7.8"),
    *("8", "9", "10", "11", "11.1", "11.2", "11.3", "11.4", "12"),
)
DC_COUNTED = ("04", "07", "08")


@dataclass(frozen=True)
class Layout:
    """One line of a `layout` fence: its stated length, and its fields as (name, width) with the groups written out."""

    length: int
    fields: tuple[tuple[str, int], ...]
    ids: str

    def read(self, text: str) -> dict[str, list[str]]:
        """The texts of each field in wire order; asserts that length, channel ids and the closing letters fit."""
        assert len(text) == self.length
        found: dict[str, list[str]] = {}
        at = 0
        for name, width in self.fields:
            found.setdefault(name, []).append(text[at : at + width])
            at += width
        if self.ids:
            assert "".join(found["id"]) == self.ids
        return found


def fences(kind: str) -> list[str]:
    """The lines of every fenced block of this kind, in the page's order."""
    blocks = re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert blocks
    return [line for block in blocks for line in block.splitlines()]


def tables(text: str) -> Iterator[list[list[str]]]:
    """Every table as rows of cells, its header row first."""
    for table in re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE):
        rows = [[cell.strip() for cell in line[1:-1].split("|")] for line in table.splitlines()]
        yield [rows[0], *rows[2:]]


def layouts() -> dict[str, Layout]:
    found = {}
    for line in fences("layout"):
        name, length, *tokens = line.split()
        fields: list[tuple[str, int]] = []
        ids = ""
        start = 0
        for token in tokens:
            if token == "(":
                start = len(fields)
            elif group := re.fullmatch(r"\)x(\d):(\w+)", token):
                assert len(group[2]) == int(group[1])
                ids += group[2]
                fields[start:] = fields[start:] * int(group[1])
            else:
                field, _, width = token.partition(":")
                fields.append((field, int(width)))
        found[name] = Layout(int(length), tuple(fields), ids)
    return found


LAYOUTS = layouts()
DATA = {
    name: (int(size), fits, text) for name, size, fits, text in (s.split() for s in fences("vectors") if s[0] == "D")
}
CONTROL = {name: (int(size), text) for name, size, text in (s.split() for s in fences("vectors") if s[0] == "C")}
ANSWERS = {name: (int(size), text) for name, size, text in (s.split() for s in fences("answers"))}
RECORDS = [name for name, (_, fits, _) in DATA.items() if fits != "-" and not fits.startswith("|")]


def number(text: str) -> int:
    """A number as the wire has it: digits, with `A` standing for 0."""
    digits = text.replace("A", "0")
    assert re.fullmatch(r"[0-9]+", digits)
    return int(digits)


def header_length(text: str) -> int:
    size = 96 if text[3:5] == "16" else 86
    assert text[size - 3 : size] == "END"
    return size


def split(text: str) -> tuple[list[str], list[list[str]]]:
    """The ordinary blocks and the fill-up groups of a record, each block with the letters that close it."""
    fill_up_only = text[44:50] == "ENDADD"
    body, _, tail = text[47 if fill_up_only else header_length(text) :].partition("ADD")
    groups = []
    for group in re.findall(r".*?UNDEND", tail):
        stamp, *blocks = group.removesuffix("END").split("UND")[:-1]
        assert len(stamp) == 17
        assert int(stamp[14:]) == len(blocks)
        groups.append([block + "UND" for block in blocks])
    assert "".join(re.findall(r".*?UNDEND", tail)) == tail
    return [block + "END" for block in body.split("END")[:-1]], groups


def channels(name: str, block: dict[str, list[str]]) -> list[tuple[int, int]]:
    """Power in W and energy in mWh of each channel of a block."""
    if name == "optimizer":
        return [(int(p) // 1000, int(e)) for p, e in zip(block["pv-p"], block["pv-E"], strict=True)]
    assert all(int(power) % 100 == 0 for power in block["op"])
    return [(int(power) // 100, int(energy)) for power, energy in zip(block["op"], block["E"], strict=True)]


def decoded(name: str) -> list[tuple[str, dict[str, list[str]]]]:
    """The ordinary blocks of a vector, each with the layout the page names for it."""
    _, fits, text = DATA[name]
    blocks, _ = split(text)
    return [
        (layout, LAYOUTS[layout].read(block))
        for layout, block in zip(fits.split("|")[0].split(","), blocks, strict=True)
    ]


def answer(text: str) -> str:
    """Section 8 from top to bottom, for a server that stores what it gets."""
    ecu = text[18:30]
    if text.startswith("APS") and re.fullmatch(r"A\d{3}", text[10:14]):
        command = text[10:14]
        if command == "A101":
            return f"APS13AAA52A100AAA0{ecu}A101{'0' * 14}0END"
        if command == "A123":
            keys = [] if text[14:18] == "AAA0" else [text[34:48]]
            return f"APS13AAA{24 + 14 * len(keys)}A123AAA0{int(bool(keys))}{len(keys):02d}{''.join(keys)}END"
        if command in ("A156", "A158"):
            return f"APS13AAA69A100AAA1{ecu}{command}{text[34:48]}0101{text[34:48]}END"
        if command in ("A157", "A159"):
            key = CONTROL["C5"][1][34:48]
            return f"APS13AAA69A100AAA1{ecu}{command}{text[30:44]}0101{key}END"
        if command == "A147" and text[34:48].isdecimal() and text[34:48] != "0" * 14:
            return text[34:48]
        return "nothing"
    if text.startswith("APS13AAA22"):
        return "100"
    if text.startswith("{"):
        stamp = re.search(r'"EST":"(\d{14})"', text)
        return "101" + stamp[1] if stamp else "100"
    if text[44:50] == "ENDADD":
        return "101" + text[30:44]
    return "101" + (text[70:84] if header_length(text) == 96 else text[60:74])


def test_sections_and_anchors_are_the_ones_the_code_cites() -> None:
    headings = re.findall(r'^<a id="s([\d.]+)"></a>\n#{2,3} ([\d.]+) ', PAGE, re.MULTILINE)
    assert [anchor for anchor, _ in headings] == list(OUTLINE)
    assert all(anchor == section for anchor, section in headings)
    assert len(re.findall(r"^#{2,} ", PAGE, re.MULTILINE)) == len(OUTLINE)


def test_links_within_the_page_lead_somewhere() -> None:
    assert {target.removeprefix("s") for target in re.findall(r"\]\(#([^)]+)\)", PAGE)} <= set(OUTLINE)
    named = re.findall(r"\((?:section )?(\d{1,2}\.\d{1,2})(?:, rule \d)?\)", PAGE)
    assert named
    assert set(named) <= set(OUTLINE)


def test_every_evidence_mark_is_explained() -> None:
    legend = set(re.findall(r"^\| \{([A-Z])\} \|", PAGE, re.MULTILINE))
    marks = re.findall(r"\{([A-Z](?:,[A-Z])*)\}", PAGE)
    assert {mark for group in marks for mark in group.split(",")} == legend


def test_every_row_of_a_table_with_evidence_has_some() -> None:
    for head, *rows in tables(PAGE):
        if head[-1] == "evidence":
            for row in rows:
                assert len(row) == len(head), row
                assert re.fullmatch(r"\{[A-Z](,[A-Z])*\}", row[-1]), row


def test_every_layout_adds_up_to_its_stated_length() -> None:
    for name, layout in LAYOUTS.items():
        assert sum(width for _, width in layout.fields) == layout.length, name


def test_offset_tables_have_no_gap_and_no_overlap() -> None:
    seen = 0
    for head, *rows in tables(PAGE):
        spans = [(row, re.fullmatch(r"`\[(\d+):(\d+)\]`", row[0])) for row in rows]
        at = 0
        for row, span in spans:
            if span is None:
                continue
            assert int(span[1]) == at, row
            at = int(span[2])
            assert at > int(span[1])
            if "width" in head:
                assert int(row[head.index("width")]) == at - int(span[1])
        seen += at > 0
    assert seen >= 8


def test_every_message_has_the_length_stated_and_the_length_it_claims() -> None:
    for size, text in [(size, text) for size, _, text in DATA.values()] + list(CONTROL.values()):
        assert len(text) == size
        assert text.isascii()
        if text.startswith("APS"):
            assert number(text[5:10]) == size


@pytest.mark.parametrize("name", RECORDS)
def test_the_blocks_of_a_record_fit_their_layouts(name: str) -> None:
    _, fits, text = DATA[name]
    blocks = decoded(name)
    uids = {block["uid"][0] for _, block in blocks}
    at = 84 if header_length(text) == 96 else 74
    assert number(text[at : at + 3]) == len(uids)
    for layout, block in blocks:
        assert all(
            re.fullmatch(r"[0-9AB]+", value) for key, values in block.items() if key != "END" for value in values
        )
        if "type" in block:
            assert block["type"] == [layout[:2]]
    assert len(fits.partition("|")[2].split(",")) == max(1, sum(len(group) for group in split(text)[1]))


@pytest.mark.parametrize("name", ["D7", "D8"])
def test_fill_up_blocks_are_ordinary_blocks_closed_by_und(name: str) -> None:
    _, fits, text = DATA[name]
    blocks = [block for group in split(text)[1] for block in group]
    for layout, block in zip(fits.partition("|")[2].split(","), blocks, strict=True):
        assert LAYOUTS[layout].read(block)["END"] == ["UND"]


@pytest.mark.parametrize("name", RECORDS)
def test_header_power_and_energy_are_the_sums_of_the_blocks(name: str) -> None:
    _, _, text = DATA[name]
    blocks = decoded(name)
    if header_length(text) == 96:
        fields = blocks[0][1]
        assert number(text[30:40]) == sum(int(power) for power in fields["pv-p"])
        assert number(text[50:60]) == sum(int(energy) for energy in fields["pv-E"])
        return
    power = sum(watts for layout, block in blocks for watts, _ in channels(layout, block))
    assert number(text[30:40]) in (power, 100 * power)
    energy = sum(
        int(block["Eo"][0]) if layout in ("03", "05") else sum(mwh for _, mwh in channels(layout, block))
        for layout, block in blocks
    )
    assert number(text[40:50]) == energy


@pytest.mark.parametrize("name", RECORDS)
def test_power_follows_from_energy_over_one_interval(name: str) -> None:
    pairs = [pair for layout, block in decoded(name) for pair in channels(layout, block)]
    assert any(all(energy * 3600 // seconds // 1000 == watts for watts, energy in pairs) for seconds in range(280, 321))


def test_the_worked_example_is_the_first_vector_and_its_table_cuts_it_up() -> None:
    frame, reply = fences("frame")
    assert frame == DATA["D1"][2]
    assert reply == ANSWERS["D1"][1]
    rows = next(rows for head, *rows in tables(PAGE) if head == ["bytes", "text", "meaning"])
    assert "".join(row[1].strip("`") for row in rows) == frame
    for span, text, _ in rows:
        first, last = (int(end) for end in span.strip("`[]").split(":"))
        assert frame[first:last] == text.strip("`")


def test_the_worked_example_decodes_to_the_figures_beside_it() -> None:
    def rows_of(*head: str) -> list[list[str]]:
        return next(rows for first, *rows in tables(PAGE) if first == list(head))

    inputs: list[list[str]] = []
    grid: list[list[str]] = []
    for layout, block in decoded("D1"):
        uid = block["uid"][0]
        volts = block["dv"] * (4 if layout == "04" else 1)
        for k, (watts, energy) in enumerate(channels(layout, block)):
            row = [block["id"][k], f"{int(volts[k]) / 10:.1f}", f"{int(block['di'][k]) / 10:.1f}"]
            inputs.append([uid, *row, str(watts), f"{energy / 1000:.3f}"])
        for volt, power, energy_out in zip(block["gv"], block["P"], block["Eo"], strict=True):
            watts_out = int(power) / (10 if layout == "08" else 100)
            row = [str(int(volt)), f"{int(block['f'][0]) / 10:.1f}", str(int(block["t"][0]) - 100)]
            grid.append([uid, *row, f"{watts_out:.2f}", f"{int(energy_out) / 1000:.3f}"])
    assert rows_of("inverter", "channel", "V", "A", "W", "Wh") == inputs
    assert rows_of("inverter", "grid V", "Hz", "C", "P, W", "Eo, Wh") == grid


def test_every_message_has_its_answer_and_the_answer_follows_from_the_decision_table() -> None:
    assert list(ANSWERS) == [*DATA, *CONTROL]
    for name, text in [(name, text) for name, (_, _, text) in DATA.items()] + [
        (name, text) for name, (_, text) in CONTROL.items()
    ]:
        size, given = ANSWERS[name]
        assert given == answer(text), name
        assert size == (0 if given == "nothing" else len(given))


def test_every_answer_would_be_accepted() -> None:
    for name, (size, text) in ANSWERS.items():
        if text == "nothing":
            continue
        if name.startswith("D"):
            assert text[0] == "1"
            assert size - 3 == 14 * int(text[1:3])
        elif CONTROL[name][1][10:14] == "A147":
            assert text == CONTROL[name][1][34:48]
        else:
            assert text.startswith("APS13")
            assert number(text[5:10]) == size
            assert text.endswith("END")
            if text[10:14] != "A123":
                assert text[18:30] == CONTROL[name][1][18:30]


def test_entries_of_control_messages_fit_their_layouts() -> None:
    assert LAYOUTS["A158-entry"].read(CONTROL["C5"][1][51:])["END"] == ["END"]
    assert LAYOUTS["A158-answer"].read(ANSWERS["C5"][1])["key"] == [CONTROL["C5"][1][34:48]]
    report = CONTROL["C7"][1]
    entries = 32 + int(report[30:32]) + 3 + 14 + 3
    count = number(report[entries - 20 : entries - 17])
    assert len(report) == entries + 22 * count
    for k in range(count):
        LAYOUTS["A102-entry"].read(report[entries + 22 * k : entries + 22 * (k + 1)])


def recorded(file: str) -> Sequence[str]:
    path = CAPTURES / file
    if not path.exists():
        pytest.skip(f"no recorded messages at {path}")
    lines = path.read_text(encoding="ascii").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_recorded_data_messages_have_the_headers_and_blocks_described() -> None:
    for text in recorded("upload.txt"):
        assert number(text[5:10]) == len(text)
        blocks, groups = split(text)
        assert not groups
        at = header_length(text) - 12
        assert number(text[at : at + 3]) == len(blocks)
        if text[3:5] == "18":
            fields = [(block[12:14], LAYOUTS[block[12:14]].read(block)) for block in blocks]
            assert all(kind in DC_COUNTED for kind, _ in fields)
            assert number(text[30:40]) == sum(w for kind, block in fields for w, _ in channels(kind, block))
            for kind, block in fields:
                seconds = [
                    s for s in range(200, 400) if all(e * 3600 // s // 1000 == w for w, e in channels(kind, block))
                ]
                assert f"| type {kind} |" in PAGE
                assert f"| {', '.join(map(str, seconds))} |" in PAGE
        else:
            assert all(104 <= len(block) <= 107 for block in blocks)
            pv = [int(block[-48:-42]) + int(block[-19:-13]) for block in blocks]
            assert abs(number(text[30:40]) - sum(pv)) <= 10
            out = [power if len(power) > 6 else power + "000" for power in (block[24:-74] for block in blocks)]
            assert abs(number(text[40:50]) - sum(map(int, out)) / 1000) <= 10


def test_recorded_control_messages_have_the_lengths_and_ids_described() -> None:
    for text in recorded("control.txt"):
        assert number(text[5:10]) == len(text)
        assert text.endswith("END")
        assert text[10:14] == "A102" or re.fullmatch(r"\d{12}", text[18:30])
