"""What firmware does wrong by itself: what a gateway sends then, and what was true."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from collector.client.firmware import GENERATIONS, Firmware
from collector.protocol.blocks import NOT_UNDERSTOOD, Inverter
from collector.protocol.upload import Upload, decode
from collector.simulate import mishaps
from collector.simulate._site import SolarSite
from collector.simulate.device import Device
from collector.simulate.mishaps import AS_ON_A_REAL_ROOF, NONE, Mishaps
from collector.simulate.roofs import demo_site, solar_site
from collector.simulate.rounds import Round
from collector.simulate.tally import Tally
from collector.simulate.weather import Outlook
from tests.samples import known

JUNE = date(2026, 6, 1)
DAYS = 6
ECU_R = GENERATIONS["ecu-r-2024"]
RESTARTS, CUTS = mishaps.called([mishaps.RESTART]), mishaps.called([mishaps.CUT_ENERGY])

Energies = dict[tuple[str, int], list[float]]


def roof(what: Mishaps, firmware: Firmware = ECU_R, *, inverters: int = 2) -> SolarSite:
    return solar_site(firmware, inverters, seed=3, outlook=Outlook.CLEAR, mishaps=what)


def instant(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def rounds(site: SolarSite, day: date, days: int = 1) -> list[Round]:
    return list(site.rounds(instant(day), instant(day + timedelta(days=days))))


def told(polled: Iterable[Round]) -> Energies:
    """What each channel is said to have produced, reading by reading."""
    energies: Energies = defaultdict(list)
    for one in polled:
        for inverter in one.inverters:
            for channel in inverter.channels:
                energies[inverter.uid, channel.number].append(known(channel.energy_wh))
    return energies


def readings(polled: Iterable[Round], uid: str) -> list[Inverter]:
    return [inverter for one in polled for inverter in one.inverters if inverter.uid == uid]


@pytest.mark.parametrize("name", ["ecu-r-2024", "ecu-r-1", "linux-2013", "ecu-rs"])
def test_without_mishaps_a_gateway_tells_what_was_produced(name: str) -> None:
    site = roof(NONE, GENERATIONS[name])
    for number in range(DAYS):
        day = JUNE + timedelta(days=number)
        produced, energies = site.produced_wh(day), told(rounds(site, day))
        assert produced.keys() == energies.keys()
        for channel, energy_wh in produced.items():
            assert sum(energies[channel]) == pytest.approx(energy_wh, abs=0.5)


def test_the_truth_of_a_day_is_not_changed_by_what_firmware_makes_of_it() -> None:
    everything = mishaps.called(mishaps.NAMES)
    for number in range(DAYS):
        day = JUNE + timedelta(days=number)
        plain = roof(NONE).produced_wh(day)
        assert roof(RESTARTS).produced_wh(day) == roof(CUTS).produced_wh(day) == plain
        assert len(plain) == 8
        assert min(plain.values()) > 500
        assert len(roof(everything).produced_wh(day)) == 8


def test_nothing_is_true_of_a_day_before_the_installation() -> None:
    assert demo_site(JUNE).produced_wh(JUNE - timedelta(days=1)) == {}
    assert demo_site(JUNE).produced_wh(JUNE)


def test_a_restart_sends_the_whole_counter_of_every_inverter_as_the_energy_of_one_interval() -> None:
    site = roof(RESTARTS)
    for number in range(DAYS):
        day = JUNE + timedelta(days=number)
        polled, produced = rounds(site, day), site.produced_wh(day)
        for uid in {inverter.uid for one in polled for inverter in one.inverters}:
            energies = [known(inverter.energy_wh) for inverter in readings(polled, uid)]
            whole = energies.index(max(energies))
            before = sum(energies[:whole])
            assert energies[whole] > before > 500
            # It begins anew with the whole, so that from there on all is right again.
            true_wh = sum(energy_wh for (of, _), energy_wh in produced.items() if of == uid)
            assert sum(energies[whole:]) == pytest.approx(true_wh, abs=2)
            assert sum(energies) == pytest.approx(true_wh + before, abs=2)


def test_at_a_restart_the_power_is_the_average_since_dawn() -> None:
    polled = rounds(roof(RESTARTS), JUNE)
    for uid in {inverter.uid for one in polled for inverter in one.inverters}:
        whole = max(readings(polled, uid), key=lambda inverter: known(inverter.energy_wh))
        hours = {known(channel.energy_wh) / known(channel.power_w) for channel in whole.channels}
        assert 4 < min(hours) <= max(hours) < 12


def test_the_gateways_own_counter_believes_a_restart() -> None:
    polled = rounds(roof(RESTARTS), JUNE)
    device = Device(ECU_R, "216099000001", Tally(), lifetime_kwh=100.0)
    for one in polled:
        device.add(one)
    last = decode(device.store.records[-1].frame.decode())
    counted = sum(known(inverter.energy_wh) for one in polled for inverter in one.inverters)
    assert counted > 1.2 * sum(roof(RESTARTS).produced_wh(JUNE).values())
    assert last.lifetime_kwh == pytest.approx(100 + counted / 1000, abs=0.1)


def test_after_hours_without_radio_seven_digits_are_cut_to_the_first_six() -> None:
    site = roof(CUTS, inverters=4)
    cut = 0
    for number in range(DAYS):
        day = JUNE + timedelta(days=number)
        polled, produced = rounds(site, day), site.produced_wh(day)
        for uid in {inverter.uid for one in polled for inverter in one.inverters}:
            every = readings(polled, uid)
            meant = sum(known(inverter.energy_wh) for inverter in every)
            assert meant == pytest.approx(sum(produced[uid, channel] for channel in range(1, 5)), abs=2)
            longest = max(every, key=lambda inverter: known(inverter.energy_wh))
            for channel in longest.channels:
                others = [inverter.channels[channel.number - 1] for inverter in every if inverter is not longest]
                true_wh = produced[uid, channel.number] - sum(known(other.energy_wh) for other in others)
                cut += true_wh >= 1000
                assert channel.energy_wh == pytest.approx(true_wh / 10 if true_wh >= 1000 else true_wh, abs=0.5)
    assert cut >= 10


def test_a_gateway_that_fills_up_has_the_cut_as_well() -> None:
    linux = GENERATIONS["linux-2017"]
    polled = rounds(roof(CUTS, linux, inverters=4), JUNE, DAYS)
    said = sum(map(sum, told(polled).values()))
    assert said < sum(known(inverter.energy_wh) for one in polled for inverter in one.inverters) - 3000


def test_the_same_seed_has_the_same_mishaps_however_it_is_asked() -> None:
    everything = mishaps.called(mishaps.NAMES)
    whole = rounds(roof(everything), JUNE, 3)
    assert [one for number in range(3) for one in rounds(roof(everything), JUNE + timedelta(days=number))] == whole
    assert whole != rounds(roof(NONE), JUNE, 3)


@pytest.mark.parametrize("name", GENERATIONS)
def test_a_block_that_nobody_knows_is_counted_by_the_header_and_understood_by_none(name: str) -> None:
    firmware = GENERATIONS[name]
    site = roof(mishaps.called([mishaps.UNKNOWN_BLOCK]), firmware, inverters=3)
    device = Device(firmware, f"{firmware.ecu_prefix}99000001", Tally())
    for one in rounds(site, JUNE):
        device.add(one)
    records = [decode(record.frame.decode()) for record in device.store.records]
    noon = max(records, key=lambda record: record.power_w or 0)
    assert {inverter.uid[-4:] for inverter in noon.inverters} == {"0001", "0002"}
    (problem,) = noon.problems
    assert problem.startswith(NOT_UNDERSTOOD)
    assert re.search(r"'901\d{9}90", problem)
    assert (noon.power_w or 0) > sum(known(inverter.dc_power_w) for inverter in noon.inverters) + 300


def test_an_unknown_block_is_the_last_inverters_and_has_a_truth() -> None:
    produced = roof(mishaps.called([mishaps.UNKNOWN_BLOCK]), inverters=2).produced_wh(JUNE)
    assert {uid[:3] for uid, _ in produced} == {"806", "901"}


def test_newer_firmware_sends_an_ac_energy_and_older_firmware_none() -> None:
    shares = []
    for firmware in (ECU_R, replace(ECU_R, ac_energy=True)):
        seen = [inverter for one in rounds(roof(NONE, firmware), JUNE) for inverter in one.inverters]
        shares.append(sum(one.ac_energy_wh or 0 for one in seen) / sum(known(one.energy_wh) for one in seen))
    assert shares[0] == 0
    assert 0.93 < shares[1] < 0.96


def test_the_ac_energy_is_in_the_records() -> None:
    device = Device(ECU_R, "216099000001", Tally())
    meant = rounds(roof(NONE, replace(ECU_R, ac_energy=True)), JUNE)
    for one in meant:
        device.add(one)
    found: list[Upload] = [decode(record.frame.decode()) for record in device.store.records]
    assert [upload.inverters for upload in found] == [one.inverters for one in meant]


def test_the_rates_of_a_real_roof_are_kept_over_the_years() -> None:
    years, days = 40, range(40 * 365)
    restarts = sum(AS_ON_A_REAL_ROOF.restart(52, day) is not None for day in days)
    gaps = sum(bool(AS_ON_A_REAL_ROOF.gap(52, "408000000001", day)) for day in days)
    assert restarts / years == pytest.approx(AS_ON_A_REAL_ROOF.restarts, rel=0.3)
    assert gaps / years == pytest.approx(AS_ON_A_REAL_ROOF.long_gaps, rel=0.3)
    assert not AS_ON_A_REAL_ROOF.unknown_block


def test_without_mishaps_no_day_has_one() -> None:
    assert not [day for day in range(3000) if NONE.restart(1, day) is not None or NONE.gap(1, "408000000001", day)]
