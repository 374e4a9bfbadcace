"""How values are written, for the service and its client alike."""
