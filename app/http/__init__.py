"""What HTTP itself says, read and written once for all features."""
