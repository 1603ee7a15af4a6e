"""Gateways that are none: roofs, the firmware's side of the wire, whole fleets, and the proof that nothing was lost.

Promises: a gateway that is simulated is as strict as its firmware, and knows nothing of how the collector reads or
answers; the same seed gives the same bytes. Refuses: to mix made-up records with those of a real site unasked.
"""
