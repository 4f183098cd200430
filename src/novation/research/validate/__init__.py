"""What the exchange answers where the truth is known: closed forms, published tables, recorded orders."""
