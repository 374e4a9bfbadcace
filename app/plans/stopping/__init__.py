"""The stopping family over HTTP: its request, its way to a problem in SI units, its answer."""
