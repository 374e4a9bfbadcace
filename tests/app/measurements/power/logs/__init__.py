"""Files of meters."""
