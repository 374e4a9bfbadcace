"""Measured samples as they are kept, below whatever makes timings or plans of them."""
