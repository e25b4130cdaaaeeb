"""What lesson 07 draws."""

__all__: list[str] = []
