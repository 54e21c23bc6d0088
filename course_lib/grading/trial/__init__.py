"""One submission: fitted to its release, run in a jail, judged."""
