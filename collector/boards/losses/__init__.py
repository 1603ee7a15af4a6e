"""The board of losses: what the nightly analysis has found, in energy and in money."""
