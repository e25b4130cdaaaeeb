"""What lesson 04 draws."""
