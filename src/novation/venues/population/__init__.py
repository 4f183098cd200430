"""Who trades on a venue beside its participants: holders of positions (`holders`), and simulated traders who place
orders of their own (`crowd`; docs/rules/population.md)."""

from novation.venues.population.crowd import Crowd, Population
from novation.venues.population.holders import Arrived, Traders, enter
from novation.venues.population.traders import Leveraged, MarketMaker, Momentum

__all__ = ["Arrived", "Crowd", "Leveraged", "MarketMaker", "Momentum", "Population", "Traders", "enter"]
