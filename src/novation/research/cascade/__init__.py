"""Cascades: a market of many on a ladder, where liquidations move the price that liquidates the next.

`run` is the simulation, `keys` what a configuration may say, `picture` the page it is drawn on.
"""
