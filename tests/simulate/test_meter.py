"""The firmware's arithmetic: by hand, and what a decoder makes of it."""

import math
from datetime import UTC, datetime, timedelta

import pytest

from collector.client.firmware import GENERATIONS
from collector.protocol.blocks import Inverter
from collector.protocol.models import Model, dialect
from collector.protocol.upload import Upload, decode, encode
from collector.simulate._meter import DISCONNECTED, OVERVOLTAGE, Meter, Moment
from collector.simulate.equipment import INVERTERS, models_behind
from collector.simulate.roofs import solar_site
from tests.samples import known

ZIGBEE = dialect(18, "AAAA")
DAWN = datetime(2025, 5, 30, tzinfo=UTC)
YC500, YC600, YC1000, QS1 = (INVERTERS[name] for name in ("YC500", "YC600", "YC1000", "QS1"))


def moment(
    *, watts: tuple[float, ...], volts: float = 34.0, ac_w: float = 0.0, grid_v: float = 235.9, is_tripped: bool = False
) -> Moment:
    return Moment([volts] * len(watts), watts, ac_w, grid_v, 50.0, 21, is_tripped)


def test_a_channels_power_is_the_average_since_the_last_reading_in_whole_watts() -> None:
    meter = Meter("408000000001", YC600, ZIGBEE)
    meter.run([17.95, 18.05], 0, 283)
    inverter = meter.read(moment(watts=(17.95, 18.05)))
    assert [channel.energy_wh for channel in inverter.channels] == [1.411, 1.418]
    assert [channel.power_w for channel in inverter.channels] == [17, 18]
    assert inverter.energy_wh == 2.829
    assert inverter.ac_power_w == 32.9
    assert (inverter.grid_voltage_v, inverter.temperature_c, inverter.status) == (235, 21, None)


def test_the_ac_power_of_the_larger_ones_is_cut_to_tenths() -> None:
    meter = Meter("806000000001", QS1, ZIGBEE)
    watts = (29.5, 38.5, 45.5, 43.5)
    meter.run(watts, 0, 300)
    inverter = meter.read(moment(watts=watts))
    assert inverter.dc_power_w == 155
    assert inverter.ac_power_w == 145.7


@pytest.mark.parametrize("model", INVERTERS.values())
def test_no_part_of_a_mwh_is_lost_by_rounding(model: Model) -> None:
    meter = Meter("408000000001", model, ZIGBEE)
    watts = tuple(10.123 + channel for channel in range(model.channels))
    told = []
    for seconds in (300, 297, 302, 299) * 25:
        meter.run(watts, 0, seconds)
        told.append(meter.read(moment(watts=watts)))
    produced_wh = sum(watts) * (300 + 297 + 302 + 299) * 25 / 3600
    dc_wh = sum(known(channel.energy_wh) for inverter in told for channel in inverter.channels)
    assert produced_wh - 0.001 * model.channels <= dc_wh <= produced_wh + 1e-9


def test_after_missed_readings_the_energy_is_that_of_the_longer_interval_and_the_power_still_the_average() -> None:
    meter = Meter("408000000001", YC600, ZIGBEE)
    for _ in range(4):
        meter.run([100.5, 200.5], 0, 300)
    inverter = meter.read(moment(watts=(100.5, 200.5)))
    assert [channel.energy_wh for channel in inverter.channels] == [33.5, 66.833]
    assert [channel.power_w for channel in inverter.channels] == [100, 200]


def test_energy_that_is_too_much_for_its_field_is_cut_to_its_first_digits_and_counted_whole() -> None:
    meter = Meter("408000000001", YC600, ZIGBEE)
    meter.run([400.0, 1.0], 0, 4 * 3600)
    first = meter.read(moment(watts=(400.0, 1.0)))
    meter.run([0.0, 0.0], 0, 300)
    second = meter.read(moment(watts=(0.0, 0.0)))
    assert [[channel.energy_wh for channel in inverter.channels] for inverter in (first, second)] == [
        [160.0, 4.0],
        [0.0, 0.0],
    ]
    assert [inverter.energy_wh for inverter in (first, second)] == [1604.0, 0.0]
    assert first.dc_power_w == 401
    assert meter.produced_wh == [1600.0, 4.0]


@pytest.mark.parametrize(
    ("model", "version", "system", "wh"),
    [
        ("YC500", 18, "AAAA", 160.0),
        ("YC1000", 15, "0002", 160.0),
        ("QS1", 18, "AAAA", 160.0),
        ("YC250", 13, "AAAA", 160.0),
        ("YC250", 15, "0001", 1600.0),
        ("OPT", 16, "0001", 1600.0),
    ],
)
def test_how_many_digits_an_energy_has_is_a_matter_of_the_layout(
    model: str, version: int, system: str, wh: float
) -> None:
    watts = (400.0,) * INVERTERS[model].channels
    meter = Meter("408000000001", INVERTERS[model], dialect(version, system))
    meter.run(watts, 400.0, 4 * 3600)
    read_out = meter.read(moment(watts=watts))
    assert {channel.energy_wh for channel in read_out.channels} == {wh}
    said = Upload(version=version, ecu="216000000001", time="20260621124000", inverters=(read_out,))
    (heard,) = decode(encode(said, system=system)).inverters
    assert heard.channels == read_out.channels


def test_a_gateway_that_forgot_what_it_had_read_takes_the_whole_counter_for_one_interval() -> None:
    meter = Meter("408000000001", YC600, ZIGBEE, sends_ac_energy=True)
    for _ in range(12):
        meter.run([100.0, 200.0], 0, 300)
        meter.read(moment(watts=(100.0, 200.0)))
    meter.run([100.0, 200.0], 0, 300)
    meter.forget()
    whole = meter.read(moment(watts=(100.0, 200.0)))
    assert [channel.energy_wh for channel in whole.channels] == [108.333, 216.666]
    assert [channel.power_w for channel in whole.channels] == [99, 199]
    assert whole.energy_wh == 324.999
    assert 0.93 * 324.999 < (whole.ac_energy_wh or 0) < 0.96 * 324.999
    meter.run([100.0, 200.0], 0, 300)
    after = meter.read(moment(watts=(100.0, 200.0)))
    assert [channel.energy_wh for channel in after.channels] == [8.333, 16.667]
    assert meter.produced_wh == pytest.approx([116.667, 233.333], abs=0.001)


@pytest.mark.parametrize("watts", [(2.0, 2.0), (100.0, 90.0), (290.0, 295.0)])
def test_the_ac_energy_of_those_that_measure_none_is_a_share_that_grows_with_the_load(watts: tuple[float, ...]) -> None:
    meter = Meter("408000000001", YC600, ZIGBEE, sends_ac_energy=True)
    meter.run(watts, 0, 300)
    read_out = meter.read(moment(watts=watts))
    share = (read_out.ac_energy_wh or 0) / known(read_out.energy_wh)
    assert share == pytest.approx(0.93 + 0.03 * min(1.0, sum(watts) / 550), abs=0.003)
    assert 0.93 - 0.003 <= share <= 0.96
    assert read_out.ac_power_w == pytest.approx(0.94 * known(read_out.dc_power_w), abs=0.01)


def test_an_average_that_no_panel_reaches_gives_way_to_volts_times_amperes() -> None:
    meter = Meter("408000000001", YC600, ZIGBEE)
    meter.run([900.0, 100.0], 0, 300)
    inverter = meter.read(moment(watts=(408.0, 100.0)))
    assert inverter.channels[0].power_w == 408


def test_the_older_ones_count_what_they_measured_on_the_ac_side() -> None:
    meter = Meter("403000000001", YC500, ZIGBEE)
    meter.run([100.0, 100.0], 190.0, 300)
    inverter = meter.read(moment(watts=(100.0, 100.0), ac_w=190.0))
    assert inverter.energy_wh == inverter.ac_energy_wh == 15.833
    assert inverter.ac_power_w == 190
    assert inverter.status == 0


def test_an_inverter_that_has_cut_itself_off_says_why_where_its_record_has_flags() -> None:
    for model, flags in ((YC500, OVERVOLTAGE | DISCONNECTED), (YC600, None)):
        meter = Meter("403000000001", model, ZIGBEE)
        meter.run([0.0, 0.0], 0.0, 300)
        inverter = meter.read(moment(watts=(0.0, 0.0), is_tripped=True, grid_v=254.2))
        assert inverter.status == flags
        assert (inverter.dc_power_w, inverter.ac_power_w, inverter.grid_voltage_v) == (0, 0, 254)


def test_three_phases_share_the_power_and_four_inputs_the_voltage() -> None:
    meter = Meter("501000000001", YC1000, dialect(15, "0002"))
    watts = (100.0, 110.0, 120.0, 130.0)
    meter.run(watts, 436.0, 300)
    inverter = meter.read(moment(watts=watts, ac_w=436.0))
    assert {channel.voltage_v for channel in inverter.channels} == {34.0}
    assert [phase.ac_power_w for phase in inverter.phases] == [145.33] * 3
    assert inverter.ac_power_w == pytest.approx(435.99)
    assert inverter.status == 0


@pytest.mark.parametrize("name", GENERATIONS)
@pytest.mark.parametrize("day", [DAWN, DAWN + timedelta(days=200)])
def test_a_decoder_gets_back_exactly_what_the_site_meant(name: str, day: datetime) -> None:
    firmware = GENERATIONS[name]
    models = models_behind(dialect(firmware.version, firmware.system))
    site = solar_site(firmware, 2 * len(models), seed=3, models=models)
    rounds = list(site.rounds(day, day + timedelta(days=3)))
    assert len(rounds) > 100
    for number, polled in enumerate(rounds):
        said = Upload(
            version=firmware.version,
            ecu="216000000001",
            time=f"{polled.at:%Y%m%d%H%M%S}",
            inverters=polled.inverters,
            power_w=math.fsum(known(inverter.dc_power_w) for inverter in polled.inverters),
            lifetime_kwh=number / 10 + 1,
            late=polled.late,
        )
        heard = decode(encode(said, system=firmware.system, sequence=firmware.sequence))
        assert heard.problems == ()
        assert heard.inverters == polled.inverters
        assert heard.late == polled.late


def test_average_power_and_energy_agree_to_the_second_as_in_captured_records() -> None:
    site = solar_site(GENERATIONS["ecu-r-2024"], 2, seed=3)
    checked = 0
    for polled in site.rounds(DAWN, DAWN + timedelta(days=1)):
        for inverter in polled.inverters:
            checked += _has_one_interval(inverter)
    assert checked > 100


def _has_one_interval(inverter: Inverter) -> bool:
    """Whether one number of seconds explains all of an inverter's averages; false for a longer interval."""
    for seconds in range(280, 320):
        if all(
            int(round(known(channel.energy_wh) * 1000) * 3600 / (seconds * 1000)) == channel.power_w
            for channel in inverter.channels
        ):
            return True
    return False
