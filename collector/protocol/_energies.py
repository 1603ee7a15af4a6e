"""The powers and energies alone of usual blocks, column by column, which is less work than reading all of them.

Nothing is decided here: where anything is out of the ordinary there is no answer, and `blocks` is to be asked.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import repeat

from collector.protocol.blocks import Channel, Inverter, is_sure
from collector.protocol.fields import FieldError, total
from collector.protocol.models import UID_WIDTH, Dialect, Form, name_of


def read_energies(texts: Iterable[str], dialect: Dialect) -> list[Inverter] | None:
    """The inverters of a record as `decode_blocks` reads them, in any order, and without what is neither a power nor an
    energy; None where a block is not in the table of its dialect, a field can't be read, an AC power may be in
    another unit, or an inverter stands twice.
    """
    if dialect.optimizers:
        return None
    of_kind: dict[tuple[str, int], list[str]] = defaultdict(list)
    for text in texts:
        of_kind[text[UID_WIDTH : UID_WIDTH + 2], len(text)].append(text)
    inverters: list[Inverter] = []
    for kind, some in of_kind.items():
        form = dialect.forms.get(kind)
        found = _read_alike(some, name_of(kind[0]), form) if form else None
        if found is None:
            return None
        inverters += found
    return inverters if len({inverter.uid for inverter in inverters}) == len(inverters) else None


def _read_alike(texts: Sequence[str], model: str, form: Form) -> Iterable[Inverter] | None:
    """The inverters of blocks that have one form."""
    if form.energies is None:
        return None
    try:
        uids, acs_w, acs_wh, *inputs = form.energies.columns(texts)
    except FieldError:
        return None
    inputs_wh, inputs_w = inputs[::2], inputs[1::2]
    if not all(map(is_sure, acs_w, map(sum, zip(*inputs_w, strict=True)))):
        return None
    unread = repeat(None)
    channels = [
        map(Channel, repeat(number), input_w, unread, unread, input_wh)
        for number, (input_w, input_wh) in enumerate(zip(inputs_w, inputs_wh, strict=True), 1)
    ]
    energies_wh = acs_wh if form.counts_ac else map(total, zip(*inputs_wh, strict=True))
    together = zip(*channels, strict=True)
    return map(Inverter, uids, repeat(model), together, energies_wh, unread, unread, unread, acs_w, unread, acs_wh)
