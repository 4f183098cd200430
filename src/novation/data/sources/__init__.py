"""Everything that novation fetches, and nothing else of it opens a connection below `serve` and `live`.

`archive`: history from the exchange's public archive. `parameters`: what the exchange says of its contracts. `markets`:
what ccxt says of any exchange's.
"""

from __future__ import annotations

from novation.data.sources.archive import BINANCE_ARCHIVE as BINANCE_ARCHIVE
from novation.data.sources.archive import Downloaded as Downloaded
from novation.data.sources.archive import download as download
from novation.data.sources.markets import load_markets as load_markets
from novation.data.sources.parameters import BINANCE_REST as BINANCE_REST
from novation.data.sources.parameters import fetch_parameters as fetch_parameters
