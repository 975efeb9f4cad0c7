"""What is wrong with a device, and what to do."""
