"""The arithmetic of an exchange: pure functions of plain integers. No state, no tables, no clock."""
