"""Layers placed once, the cut decided as the channel unfolds (Yan, Bi, Zhang, arXiv 2105.13618)."""
