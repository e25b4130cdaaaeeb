"""The controls of a lab: what a reader can move, and the question asked before moving it.

Every control has the same four members: ``default``, ``stops`` (the values the static page knows), ``check`` (any
value that the live lab takes, else a clear error) and ``text`` (how a value is written beside the control).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context
from numbers import Integral
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
        The values at which the static page stops, at least two: the values themselves or their number, evenly
        spaced, in the logarithm if ``log``, and rounded to a thousandth of their distance or, if ``log``, to three
        significant digits. The live lab takes any value between ``low`` and ``high``.
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
        number = _whole if self.integer else real_number
        low, high = number("low", self.low), number("high", self.high)
        real_number("high", high, above=real_number("low", low, above=0 if self.log else -math.inf))
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)
        given = self._spaced() if isinstance(self.stops, Integral) else self.stops
        stops = {self.check("stop", stop) for stop in given} if np.iterable(given) else ()
        if len(stops) < 2:
            raise ValueError(f"stops must be a number >= 2 or at least two values, got {given!r}")
        object.__setattr__(self, "stops", tuple(sorted(stops)))
        object.__setattr__(self, "default", self.check("default", self.default))
        if self.default not in self.stops:
            raise ValueError(f"default must be one of the stops {self.stops}, got {self.default!r}")

    def _spaced(self) -> list[float]:
        count = whole_number("stops", self.stops, least=2)
        points = (np.geomspace if self.log else np.linspace)(self.low, self.high, count)[1:-1].tolist()
        distance = (self.high / self.low) ** (1 / (count - 1)) - 1 if self.log else (self.high - self.low) / (count - 1)
        digits = 2 - math.floor(math.log10(distance))
        if self.integer:
            points = [round(point) for point in points]
        elif self.log:
            points = [float(f"{point:.{max(3, digits)}g}") for point in points]
        else:
            points = [round(point, digits) + 0.0 for point in points]
        return [self.low, *points, self.high]

    def check(self, name: str, value: object) -> float:
        """Return ``value`` if it lies in the range; ``name`` is for the error."""
        number = _whole(name, value) if self.integer else real_number(name, value)
        for end in (self.low, self.high):
            if math.isclose(number, end):  # as 10 ** log10(0.3) is: 0.29999999999999993
                return end
        if not self.low < number < self.high:
            raise ValueError(f"{name} must lie between {self.low:g} and {self.high:g}, got {value!r}")
        return number

    def text(self, value: float) -> str:
        """Write a value with its unit."""
        unit = self.unit.removesuffix("s") if value == 1 else self.unit  # 1 layer
        return f"{value}{unit}" if self.integer else f"{value:g}{unit}"


def _whole(name: str, value: object) -> int:
    return whole_number(name, value, least=-math.inf)


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
        options = _names("options", self.options)
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
        return str(value)

    def text(self, value: str) -> str:
        """Write an option in words."""
        return value.replace("_", " ")


@dataclass(frozen=True)
class Toggle:
    """On or off."""

    default: bool = False
    label: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "default", self.check("default", self.default))

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


def _names(name: str, values: object) -> tuple[str, ...]:
    names = tuple(values) if np.iterable(values) and not isinstance(values, str) else ()
    if len(set(names)) < max(2, len(names)) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{name} must be at least two different names, got {values!r}")
    return tuple(map(str, names))


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

    def __post_init__(self) -> None:
        if self.choices:
            object.__setattr__(self, "choices", _names("choices", self.choices))

    def check(self, name: str, value: object) -> float | str:
        """Return ``value`` if it can be an answer: one of the choices, or a finite number (given as text, too).

        Raises
        ------
        ValueError
            If it is none; ``name`` is for the error.
        """
        if self.choices:
            if value not in self.choices:
                raise ValueError(f"{name} must be one of {', '.join(self.choices)}, got {value!r}")
            return str(value)
        with suppress(ValueError):
            value = float(value) if isinstance(value, str) else value
        return real_number(name, value)

    def compare(self, guess: float | str, truth: float | str) -> str:
        """Say in a sentence how far a guess was from the truth.

        Raises
        ------
        ValueError
            If the guess is none of the choices, or not a finite number.
        """
        guess, truth = self.check("the answer", guess), self.check("the truth", truth)
        if self.choices:
            return f"You said: {guess}. The lab shows: {truth}."
        if self.power_of_ten:
            return (
                f"You said 10^{_rounded(guess)}. The lab measures 10^{_rounded(truth)}: "
                f"{_rounded(abs(guess - truth), 2)} powers of ten apart."
            )
        return f"You said {_rounded(guess)}. The lab measures {_rounded(truth)}."


def _rounded(number: float, digits: int = 3) -> str:
    """Write a number as `vgx-lab.js` does, with ``Number(number.toPrecision(digits))``."""
    decimal = Context(digits, ROUND_HALF_UP).create_decimal(number)
    if not decimal or 1e-6 <= abs(float(decimal)) < 1e21:
        return f"{decimal.normalize() + 0:f}"
    mantissa, exponent = f"{decimal.normalize():e}".split("e")
    return f"{mantissa}e{int(exponent):+d}"
