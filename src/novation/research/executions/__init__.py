"""What carrying out orders cost: the prices a run keeps for it, the split of a shortfall, what bars say beside it."""
