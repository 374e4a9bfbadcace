"""Measured energies and powers of devices, and the revisions made from them."""
