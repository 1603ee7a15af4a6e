"""The board `solar-day`: every panel and inverter, report by report. Refuses: to sum up; a year is for the others."""
