"""Powers and energies read alone are those of the whole record, and no record's are lost by it."""

from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.protocol.blocks import AC_SHARE, Channel, Inverter
from collector.protocol.fields import total
from collector.protocol.models import Block, Model
from collector.protocol.upload import Upload, decode, decode_energies, encode
from tests.protocol.helpers import ECU, TIME, YC600, captured, record
from tests.protocol.strategies import VERSIONS, uploads
from tests.protocol.test_blocks import QS1
from tests.protocol.test_models import CODED, of_each
from tests.protocol.test_roundtrip import ANY_TEXT, FRAMES, damaged
from tests.samples import known


class Told(NamedTuple):
    """What sums of energies take from an inverter."""

    uid: str
    model: str
    energy_wh: float | None
    ac_energy_wh: float | None
    ac_power_w: float | None
    channels: list[tuple[int, float | None, float | None]]


def told(upload: Upload) -> tuple[object, ...]:
    """What of a record counts in sums, in any order of its inverters."""
    rounds = [("", upload.inverters), *((group.time, group.inverters) for group in upload.late)]
    return (upload.has_round, [(time, sorted(map(_told, inverters))) for time, inverters in rounds])


def _told(inverter: Inverter) -> Told:
    channels = [(channel.number, channel.power_w, channel.energy_wh) for channel in inverter.channels]
    return Told(*inverter[:2], inverter.energy_wh, inverter.ac_energy_wh, inverter.ac_power_w, channels)


def is_read_alone(frame: str) -> bool:
    """Whether it was not the whole record that was decoded: nobody asked for a temperature."""
    return all(inverter.temperature_c is None for inverter in decode_energies(frame).inverters)


@pytest.mark.parametrize(("version", "system"), VERSIONS)
@settings(max_examples=60)
@given(data=st.data(), hundredths=st.booleans())
def test_powers_and_energies_alone_are_those_of_the_whole_record(
    version: int, system: str, data: st.DataObject, hundredths: bool
) -> None:
    frame = encode(data.draw(uploads(version, system)), system=system, hundredths=hundredths)
    assert told(decode_energies(frame)) == told(decode(frame))


@settings(max_examples=500)
@given(damaged() | ANY_TEXT | st.sampled_from(FRAMES))
def test_of_a_damaged_record_as_much_is_told_as_by_the_whole_decoder(frame: str) -> None:
    assert told(decode_energies(frame)) == told(decode(frame))


@of_each([model for model in CODED if model.block is not Block.THREE_PHASE])
def test_a_usual_record_of_each_model_is_not_read_as_a_whole(model: Model) -> None:
    channels = tuple(Channel(number, 250.0, 34.1, 7.3, 20.833) for number in range(1, model.channels + 1))
    dc_w = total(known(channel.power_w) for channel in channels)
    inverter = Inverter(
        f"{model.uid_prefix}000000001", model.name, channels, 19.5, 230, 50.0, 42, AC_SHARE * dc_w, 0, 19.5
    )
    for version in (14, 18):
        frame = encode(Upload(version=version, ecu=ECU, time=TIME, inverters=(inverter,), power_w=dc_w))
        assert is_read_alone(frame)
        assert told(decode_energies(frame)) == told(decode(frame))


def test_models_stand_in_one_record_beside_each_other() -> None:
    frame = record(YC600, QS1, power="202")
    assert is_read_alone(frame)
    assert told(decode_energies(frame)) == told(decode(frame))


@pytest.mark.parametrize(
    "frame",
    [
        record(YC600, QS1, power="20"),
        record(YC600, YC600, power="47"),
        record(YC600, QS1[:-1], power="202"),
        record(YC600, power="47", tail="ADD" + TIME + "001UND" + YC600 + "UNDEND"),
        record("x" + YC600[1:], power="47"),
    ],
    ids=["another power in the header", "twice", "too short", "late data", "no serial number"],
)
def test_whatever_is_not_usual_is_left_to_the_whole_decoder(frame: str) -> None:
    assert not is_read_alone(frame)
    assert told(decode_energies(frame)) == told(decode(frame))


def test_the_recorded_record_of_2024_is_read_alone() -> None:
    frames = [frame for _, frame in captured("upload.txt")]
    assert [frame[3:5] for frame in frames if is_read_alone(frame)] != []
    for frame in frames:
        assert told(decode_energies(frame)) == told(decode(frame))
