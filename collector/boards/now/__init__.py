"""The home board `solar-now`. Promises: today at one look, also by night and on a phone. Refuses: the past."""
