"""Gateways that are none: roofs, the firmware's side of the wire, whole fleets, and the proof that nothing was lost."""
