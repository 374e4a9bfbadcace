"""Two ended plans of one kind, held against each other."""
