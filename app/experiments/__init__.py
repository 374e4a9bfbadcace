"""Many plans of one request, what varies told once: their figures as a table."""
