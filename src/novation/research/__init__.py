"""What a researcher runs: backtests, their results and reports, configurations."""
