"""The nouns of a futures exchange, frozen. Imports nothing of novation."""
