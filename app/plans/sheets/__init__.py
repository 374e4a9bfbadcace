"""Users from spreadsheets: CSV as people and their programs write it.

A cell is what the field that its column is named for says: a text, a number, or JSON where the
field is a list. Empty cells say nothing, nor do rows of them. What could be read in two ways is
refused, naming the line and the column.
"""

from app.plans.sheets.cells import columns
from app.plans.sheets.fields import fields_of
from app.plans.sheets.sheet import Sheet, opened

__all__ = ["Sheet", "columns", "fields_of", "opened"]
