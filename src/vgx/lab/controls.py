"""The controls of a lab: what a reader can move, and the question asked before moving it.

Every control has the same four members: ``default``, ``stops`` (the values the static page knows), ``check`` (any
value that the live lab takes, else a clear error) and ``text`` (how a value is written beside the control).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arguments import real_number, whole_number
from ..registry import unknown_name


@dataclass(frozen=True)
class Slider:
    """A number within a range.

    Parameters
    ----------
    low, high : float
        The ends of the range, both included.
    default : float
        The value at which the lab opens; one of the stops.
    stops : int or sequence of float
        The values at which the static page stops: their number (evenly spaced, in the logarithm if ``log``, rounded
        to three significant digits) or the values themselves. The live lab takes any value between ``low`` and
        ``high``.
    log : bool
        Move through powers instead of sums.
    integer : bool
        Whole numbers only.
    label : str, optional
        What stands beside the control; the control's name with spaces by default.
    unit : str
        Written after the value.

    Raises
    ------
    ValueError
        If the range is empty or not finite, a log range not positive, or the default not among the stops.

    Examples
    --------
    >>> Slider(0.1, 10, default=1, stops=5, log=True).stops
    (0.1, 0.316, 1.0, 3.16, 10.0)
    """

    low: float
    high: float
    default: float
    stops: int | Sequence[float] = 21
    log: bool = False
    integer: bool = False
    label: str | None = None
    unit: str = ""

    def __post_init__(self) -> None:
        real_number("low", self.low, above=0 if self.log else -math.inf)
        real_number("high", self.high, above=self.low)
        kind = int if self.integer else float
        stops = self.stops
        if isinstance(stops, int):
            space = np.geomspace if self.log else np.linspace
            points = space(self.low, self.high, whole_number("stops", stops, least=2))
            stops = [round(p) if self.integer else float(f"{p:.3g}") for p in points]
        object.__setattr__(self, "stops", tuple(dict.fromkeys(kind(self.check("stop", s)) for s in stops)))
        object.__setattr__(self, "default", self.check("default", self.default))
        if self.default not in self.stops:
            raise ValueError(f"default must be one of the stops {self.stops}, got {self.default!r}")

    def check(self, name: str, value: object) -> float:
        """Return ``value`` if it lies in the range; ``name`` is for the error."""
        number = whole_number(name, value, least=-math.inf) if self.integer else real_number(name, value)
        if not self.low <= number <= self.high:
            raise ValueError(f"{name} must lie between {self.low:g} and {self.high:g}, got {value!r}")
        return number

    def text(self, value: float) -> str:
        """Write a value with its unit."""
        return f"{value:.3g}{self.unit}"


@dataclass(frozen=True)
class Choice:
    """One of several names.

    Parameters
    ----------
    options : sequence of str
        The names, in the order shown.
    default : str, optional
        The first one unless told.
    label : str, optional
        What stands beside the control.

    Raises
    ------
    ValueError
        If there are fewer than two options, one stands twice, or the default is none of them.
    """

    options: Sequence[str]
    default: str | None = None
    label: str | None = None

    def __post_init__(self) -> None:
        options = (self.options,) if isinstance(self.options, str) else tuple(self.options)
        if len(options) < 2 or len(set(options)) < len(options):
            raise ValueError(f"options must be at least two different names, got {self.options!r}")
        object.__setattr__(self, "options", options)
        object.__setattr__(self, "default", self.check("default", options[0] if self.default is None else self.default))

    @property
    def stops(self) -> tuple[str, ...]:
        """All options: a choice has nothing between."""
        return self.options

    def check(self, name: str, value: object) -> str:
        """Return ``value`` if it is an option; ``name`` is for the error."""
        if value not in self.options:
            raise ValueError(unknown_name(name, value, self.options))
        return value

    def text(self, value: str) -> str:
        """Write an option in words."""
        return value.replace("_", " ")


@dataclass(frozen=True)
class Toggle:
    """On or off."""

    default: bool = False
    label: str | None = None

    @property
    def stops(self) -> tuple[bool, bool]:
        """Off and on."""
        return (False, True)

    def check(self, name: str, value: object) -> bool:
        """Return ``value`` if it is a bool; ``name`` is for the error."""
        if not isinstance(value, bool | np.bool_):
            raise ValueError(f"{name} must be True or False, got {value!r}")
        return bool(value)

    def text(self, value: bool) -> str:
        """Write 'on' or 'off'."""
        return "on" if value else "off"


Control = Slider | Choice | Toggle


@dataclass(frozen=True)
class Predict:
    """A question to answer before looking. The answer stays on the reader's own machine.

    Parameters
    ----------
    question : str
        What is asked, in one or two sentences.
    answer : callable
        ``(data, controls) -> float`` or, with ``choices``, one of them: the truth, measured at the state ``at``.
    at : mapping
        The state of the controls that the question is about; defaults for those that it doesn't name.
    choices : sequence of str
        If given, the reader picks one; else a number is asked for.
    power_of_ten : bool
        The number asked for is the exponent of ten, and so is what ``answer`` returns.
    """

    question: str
    answer: Callable[[Mapping[str, Any], Mapping[str, Any]], float | str]
    at: Mapping[str, Any]
    choices: Sequence[str] = ()
    power_of_ten: bool = False

    def compare(self, guess: float | str, truth: float | str) -> str:
        """Say in a sentence how far a guess was from the truth.

        Raises
        ------
        ValueError
            If the guess is none of the choices, or not a finite number.
        """
        if self.choices:
            if guess not in self.choices:
                raise ValueError(unknown_name("answer", guess, self.choices))
            return f"You said: {guess}. The lab shows: {truth}."
        real_number("the answer", guess)
        if self.power_of_ten:
            return (
                f"You said 10^{guess:.3g}. The lab measures 10^{truth:.3g}: "
                f"{abs(guess - truth):.2g} powers of ten apart."
            )
        return f"You said {guess:.3g}. The lab measures {truth:.3g}."
