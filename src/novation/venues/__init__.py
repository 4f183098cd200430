"""The exchange side: the venue state machine, and which rules each venue follows."""
