"""What every benchmark says at its end."""

Row = tuple[str, str, str, bool]
"""What was measured, what came out, the bar, and whether it holds."""


def report(rows: list[Row]) -> int:
    """Print a line for each row; return the script's exit status: 0 if all bars hold."""
    for name, measured, bar, ok in rows:
        print(f"{'ok  ' if ok else 'FAIL'} {name}: {measured} (bar {bar})")
    return int(not all(ok for *_, ok in rows))
