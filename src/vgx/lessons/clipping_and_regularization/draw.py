"""What lesson 08 draws."""

__all__: list[str] = []
