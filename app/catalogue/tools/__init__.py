"""What other tools write, read into profiles."""
