"""A read-only mapping from names to frozen dataclasses, with an error that helps."""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Protocol, TypeVar


class Named(Protocol):
    """Anything with a name."""

    @property
    def name(self) -> str:
        """What a registry finds it by."""


T = TypeVar("T", bound=Named)


class UnknownNameError(ValueError, KeyError):
    """A name that a registry doesn't hold. Says what was given and what exists, nearest first."""

    __str__ = ValueError.__str__  # KeyError would show the repr of the message


class Registry(Mapping[str, T]):
    """A mapping ``name -> entry`` that knows what its entries are.

    Parameters
    ----------
    kind : str
        What an entry is, for the error message: "activation".
    entries : iterable
        Objects with a unique ``name``; their order is kept.

    Examples
    --------
    >>> from vgx.activation import activations
    >>> activations["tanh"].name
    'tanh'
    >>> activations["tahn"]  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    vgx.registry.UnknownNameError: unknown activation 'tahn'; there are: tanh, identity, sigmoid, ...
    """

    def __init__(self, kind: str, entries: Iterable[T]) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {entry.name: entry for entry in entries}

    def __getitem__(self, name: str) -> T:
        try:
            return self._entries[name]
        except (KeyError, TypeError):
            raise UnknownNameError(unknown_name(self.kind, name, self._entries)) from None

    def resolve(self, entry: "str | T") -> T:
        """Return an entry given by its name, or as it is: what a function does with its argument.

        Raises
        ------
        UnknownNameError
            If it is neither a known name nor an object of the entries' type.
        """
        kinds = {type(known) for known in self._entries.values()}
        return entry if type(entry) in kinds else self[entry]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"<{len(self)} {self.kind}s: {', '.join(self)}>"


def unknown_name(kind: str, given: object, names: Iterable[str]) -> str:
    """Write the message for an unknown name: what was given, what exists, nearest first."""
    names = list(names)
    near = get_close_matches(str(given), names, n=3, cutoff=0.5)
    rest = [name for name in names if name not in near]
    return f"unknown {kind} {given!r}; there are: {', '.join(near + rest)}"
