"""The trader's side: strategies, the broker they trade through, own limits, rolls. Knows no exchange from inside."""
