"""The arithmetic of an exchange: pure functions of plain integers. No state, no tables, no clock.

The model modules (`elementary`, `impact`, `manipulation`) are float64 in and out: no amount of money is kept in them.
"""
