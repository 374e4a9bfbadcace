"""What devices saw of a running plan, and what it says against the plan's promised risks."""
