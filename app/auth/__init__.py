"""Who asks, for which project, and what they may do: API keys, scopes, and the door of the web."""
