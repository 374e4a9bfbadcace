"""Which of many users cannot be served together, and whom to serve where not all can be."""
