"""`make demo`: an order from `kubectl apply` to its output, and what it runs on.

`stage` is where it plays (a cluster made for it, or the reader's own), `background` the processes
that stay, `story` what is shown, `screen` how.
"""
