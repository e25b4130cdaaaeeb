"""What lesson 06 measures."""
