"""Weight imprinting: new classes from a few pictures, without gradients."""
