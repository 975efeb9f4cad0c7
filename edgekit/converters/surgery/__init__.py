"""Making another model, taught its original."""
