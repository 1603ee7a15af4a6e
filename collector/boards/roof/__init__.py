"""The board `solar-roof`: a picture of the configured places. Refuses: to draw a panel that has no place."""
