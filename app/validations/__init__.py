"""Plans replayed, and the evidence kept."""
