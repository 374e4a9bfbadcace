"""Cells in which servers have a budget too: a price for each, beside that of the uplink."""
