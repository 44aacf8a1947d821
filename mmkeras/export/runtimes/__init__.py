"""Scripts that run an exported model in a process of its own, without mmkeras."""
