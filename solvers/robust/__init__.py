"""Cut, clock and spectrum under uncertain inference time, at least energy (arXiv 2503.21476)."""
