"""What each Keras layer is in TFLite's ops: small functions, and their rows by trade."""
