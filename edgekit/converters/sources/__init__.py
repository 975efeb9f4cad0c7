"""Opening trained models of any format."""
