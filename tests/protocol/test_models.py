"""Every row of the table of models, and the page that describes it; a new row is tested by these and needs no more."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.protocol.blocks import decode_blocks, encode_blocks
from collector.protocol.fields import Layout
from collector.protocol.models import BY_NAME, MODELS, ZIGBEE_14, ZIGBEE_18, Block, Model, code_of, dialect, name_of
from tests.protocol.strategies import VERSIONS, of_model
from tests.test_protocol_doc import LAYOUTS, PAGE

CODED = [model for model in MODELS if model.code]
PHASES = {Block.BY_CHANNEL: 1, Block.WITH_FLAGS: 1, Block.THREE_PHASE: 3}
# The page's name of each field.
SHORT = {
    "uid": "uid",
    "type_code": "type",
    "": "id",
    "grid_voltage_v": "gv",
    "grid_frequency_hz": "f",
    "temperature_c": "t",
    "reactive_power_var": "Q",
    "ac_power_w": "P",
    "ac_energy_wh": "Eo",
    "voltage_v": "dv",
    "current_a": "di",
    "energy_wh": "E",
    "power_w": "op",
    "status": "st",
}


def of_each(models: list[Model]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("model", models, ids=lambda model: model.name)


def test_no_code_name_or_plc_character_stands_for_two_models() -> None:
    assert len({model.code for model in CODED}) == len(CODED)
    assert len(BY_NAME) == len(MODELS)
    letters = "".join(model.plc for model in MODELS)
    assert len(set(letters)) == len(letters)


@of_each(list(MODELS))
def test_a_row_says_what_a_block_can_carry(model: Model) -> None:
    assert re.fullmatch("" if model.block is Block.OPTIMIZER else "[0-9]{2}", model.code)
    assert not model.name.startswith("type")
    assert re.fullmatch("[0-9]{3}", model.uid_prefix)
    assert model.channels in {Block.THREE_PHASE: [4], Block.WITH_FLAGS: [1, 2], Block.OPTIMIZER: [2]}.get(
        model.block, range(1, 10)
    )
    assert len(model.plc) in (0, model.channels)
    # Five digits, for each phase.
    assert model.rated_w / PHASES.get(model.block, 1) <= 99_999 / model.ac_steps


@of_each(list(MODELS))
@settings(max_examples=30)
@given(data=st.data())
def test_every_model_survives_the_wire_of_every_gateway_that_can_name_it(model: Model, data: st.DataObject) -> None:
    version, system = data.draw(st.sampled_from([one for one in VERSIONS if not of_model(model, *one).is_empty]))
    inverter = data.draw(of_model(model, version, system))
    form = dialect(version, system)
    assert inverter.model == model.name
    assert decode_blocks(encode_blocks(inverter, form), form) == ((inverter,), (), True)


@given(st.from_regex("[0-9]{2}", fullmatch=True))
def test_a_code_that_is_not_in_the_table_is_a_name_as_well(code: str) -> None:
    assert code_of(name_of(code)) == code
    assert (name_of(code) == f"type {code}") == (code not in {model.code for model in MODELS})


@of_each(CODED)
def test_the_page_has_the_row_of_every_model(model: Model) -> None:
    facts = (
        model.code,
        model.name,
        model.channels,
        PHASES[model.block],
        model.block.value,
        f"{1 / model.ac_steps:g} W",
    )
    row = f"| {' | '.join(map(str, facts))} |"
    assert f"\n{row} {{" in PAGE, (
        f"put this row into docs/protocol.md, 5.11, with the evidence that you have: {row} {{C}} |"
    )


def test_the_page_has_no_model_besides() -> None:
    listed = re.findall(r"^\| (\d\d) \| (\w+) \| \d \| \d \| ", PAGE, re.MULTILINE)
    assert set(listed) <= {(model.code, model.name) for model in CODED}
    assert len(set(listed)) == len(listed)


@of_each(CODED)
def test_the_page_has_the_layout_of_every_model(model: Model) -> None:
    """By channel a layout may be left to the rule that the page gives for all of them."""
    for form, name in ((ZIGBEE_18, model.code), (ZIGBEE_14, f"{model.code}-status")):
        layout = LAYOUTS.get(name)
        if layout is None:
            assert model.block is Block.BY_CHANNEL or name.endswith("-status")
            continue
        found = form.forms[model.code, layout.length - len("END")]
        assert layout.fields == (*fields(found.head, *found.groups), ("END", 3))
        assert len(found.groups) == len(layout.ids) == model.channels


def fields(*layouts: Layout) -> list[tuple[str, int]]:
    return [(SHORT[field.name], field.width) for layout in layouts for field in layout.fields]
