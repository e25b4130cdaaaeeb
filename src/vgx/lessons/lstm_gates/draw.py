"""What lesson 06 draws."""
