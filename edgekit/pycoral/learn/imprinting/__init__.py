"""Weight imprinting: new classes from a few images, without gradients."""
