"""The sandbox: invented people with real statistics, to watch the whole line run, and break it."""
