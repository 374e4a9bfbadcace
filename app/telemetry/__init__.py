"""What whoever runs the service sees of it: lines, numbers and traces."""
