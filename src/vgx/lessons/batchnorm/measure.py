"""What lesson 07 measures."""

__all__: list[str] = []
