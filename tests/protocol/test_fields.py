"""Fixed-width fields: strict reading, and writing that fits or fails."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.protocol.fields import (
    FieldError,
    Layout,
    constant,
    declared_length,
    digits,
    length_fault,
    number,
    open_text,
    quantity,
    status,
    temperature,
    text,
    total,
    with_length,
)

LETTERS = Layout(temperature("t", 0))
PLUS_100 = Layout(temperature("t", 100))
FLAGS = Layout(status("st"))


@pytest.mark.parametrize(
    ("written", "celsius"),
    [
        ("AA5", 5),
        ("A25", 25),
        ("100", 100),
        ("AB5", -5),
        ("B10", -10),
        ("AA0", 0),
        ("AAA", 0),
        ("B99", -99),
        ("042", 42),
    ],
)
def test_letters_mark_the_sign_of_a_temperature(written: str, celsius: int) -> None:
    assert LETTERS.decode(written) == {"t": celsius}


@pytest.mark.parametrize(
    ("written", "celsius"), [("113", 13), ("100", 0), ("095", -5), ("001", -99), ("200", 100), ("AB5", -5), ("A25", 25)]
)
def test_plain_digits_are_a_temperature_plus_100_but_letters_keep_their_meaning(written: str, celsius: int) -> None:
    assert PLUS_100.decode(written) == {"t": celsius}


@pytest.mark.parametrize("written", ["B1B", "BAA", "0A5", "ABB", "A-5", " 25", "2A5", "+25"])
def test_a_temperature_in_no_known_coding_is_an_error(written: str) -> None:
    with pytest.raises(FieldError):
        LETTERS.decode(written)


@given(st.integers(-99, 100), st.sampled_from([LETTERS, PLUS_100]))
def test_every_temperature_survives_both_codings(celsius: int, layout: Layout) -> None:
    assert layout.decode(layout.encode({"t": celsius})) == {"t": celsius}


@pytest.mark.parametrize(("layout", "celsius"), [(LETTERS, -100), (LETTERS, 1000), (PLUS_100, -101), (PLUS_100, 900)])
def test_a_temperature_that_does_not_fit_is_not_written(layout: Layout, celsius: int) -> None:
    with pytest.raises(FieldError, match="does not fit"):
        layout.encode({"t": celsius})


@pytest.mark.parametrize("index", range(11))
def test_flag_i_is_bit_i(index: int) -> None:
    written = "0" * index + "1" + "0" * (10 - index)
    assert FLAGS.decode(written) == {"st": 2**index}
    assert FLAGS.encode({"st": 2**index}) == written


@given(st.integers(0, 2**11 - 1))
def test_every_set_of_flags_survives(bits: int) -> None:
    assert FLAGS.decode(FLAGS.encode({"st": bits})) == {"st": bits}


def test_padded_flags_are_not_set() -> None:
    assert FLAGS.decode("AAAAAAAA001") == {"st": 2**10}


@pytest.mark.parametrize(("written", "value"), [("AAA", 0), ("AA5", 5), ("005", 5), ("A15", 15), ("999", 999)])
def test_numbers_are_padded_with_zeros_or_with_the_letter_a(written: str, value: int) -> None:
    assert number(written) == value
    assert Layout(quantity("q", 3)).decode(written) == {"q": value}


@pytest.mark.parametrize("written", ["+12", "1_2", " 12", "12 ", "-12", "1e2", "1A2", "12A", "١٢٣", "²²²", "12\n", ""])
def test_what_python_would_take_for_a_number_is_not_one_here(written: str) -> None:
    with pytest.raises(FieldError):
        Layout(quantity("q", 3)).decode(written)


@given(st.integers(0, 99_999), st.sampled_from([10, 100, 1000]), st.sampled_from("0A"))
def test_steps_read_as_the_nearest_decimal_and_write_back_the_same_digits(raw: int, steps: int, pad: str) -> None:
    layout = Layout(quantity("q", 5, steps))
    written = str(raw).rjust(5, pad)
    value = layout.decode(written)["q"]
    assert value == raw / steps
    assert layout.encode({"q": value}, pad) == written


@pytest.mark.parametrize("value", [1000, -1, 999.6])
def test_a_number_that_does_not_fit_is_not_written(value: float) -> None:
    with pytest.raises(FieldError, match="does not fit 3 digits"):
        Layout(quantity("q", 3)).encode({"q": value})


def test_an_absent_number_is_written_as_zero() -> None:
    assert Layout(quantity("q", 3), temperature("t", 100)).encode({"q": None}) == "000100"


@pytest.mark.parametrize("value", ["21600012345", "2160001234567", "21600012345x", None])
def test_an_identity_of_the_wrong_form_would_shift_all_behind_it_and_is_not_written(value: str | None) -> None:
    with pytest.raises(FieldError, match="does not fit 12 characters"):
        Layout(digits("ecu", 12), quantity("count", 3)).encode({"ecu": value, "count": 1})


def test_a_layout_reads_exactly_its_width() -> None:
    layout = Layout(constant("APS"), digits("version", 2), text("system", 4))
    assert layout.width == 9
    assert layout.decode("APS18A\n²A") == {"version": "18", "system": "A\n²A"}
    for wrong in ("APS18AAA", "APS18AAAAA", "APX18AAAA", "APS1xAAAA", "APS18AAAA\n"):
        with pytest.raises(FieldError, match="not of the expected form"):
            layout.decode(wrong)


def test_a_constant_may_be_read_in_more_forms_than_it_is_written_in() -> None:
    layout = Layout(constant("0", "[0AB]"), open_text("rest"))
    assert layout.decode("B") == {"rest": ""}
    assert layout.decode("Axyz") == {"rest": "xyz"}
    assert layout.encode({"rest": "xyz"}) == "0xyz"
    with pytest.raises(FieldError):
        layout.decode("C")


@pytest.mark.parametrize(
    ("field", "length"),
    [("AA302", 302), ("06296", 6296), ("AAA22", 22), ("A0A5A", 50), ("AAAAA", 0), ("0030²", None), ("003 0", None)],
)
def test_the_length_field_is_padded_with_zeros_or_with_the_letter_a(field: str, length: int | None) -> None:
    assert declared_length(f"APS18{field}AAAA") == length


def test_a_length_field_cut_short_is_no_number() -> None:
    assert declared_length("APS180030") is None


def test_a_length_that_does_not_fit_is_told_with_both_numbers() -> None:
    assert length_fault("APS1800011A") is None
    assert length_fault("APS1800012A") == "the length field says '00012', the message has 11 characters"


def test_a_message_longer_than_its_length_field_can_say_is_not_written() -> None:
    assert with_length("APS18-----" + "0" * 99_989, "A")[:10] == "APS1899999"
    assert with_length("APS18-----END", "A") == "APS18AAA13END"
    with pytest.raises(FieldError, match="100000 characters"):
        with_length("APS18-----" + "0" * 99_990, "A")


@given(st.lists(st.integers(0, 9_999_999_999), max_size=50))
def test_a_total_is_the_decimal_sum(raw: list[int]) -> None:
    assert total(value / 1000 for value in raw) == sum(raw) / 1000
