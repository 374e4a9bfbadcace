"""Planning requests and their answers."""
