"""What lesson 05 draws."""
