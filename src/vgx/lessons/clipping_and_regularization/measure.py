"""What lesson 08 measures."""

__all__: list[str] = []
