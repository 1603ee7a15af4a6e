"""The board `solar-fleet`: many gateways in one list, the worst on top. Refuses: single records, and panels."""
