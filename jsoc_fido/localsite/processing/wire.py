"""
Processing steps as a request names them (contract F.1), and their arguments.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jsoc_fido import times
from jsoc_fido.exceptions import QueryError

__all__ = ["Arguments", "Step", "parse"]

#: What stands for no steps at all.
NO_STEP = "no_op"

#: Programs behind the names of steps in JSON (contract F.2).
PROGRAMS = {"map_proj": "Maproj", "to_ptr": "HmiB2ptr"}

#: Lengths of the names of steps and arguments, and of values, in JSON (contract F.1).
LONGEST_NAME, LONGEST_VALUE = 31, 63

#: Steps of one request.
MOST_STEPS = 20


@dataclass(frozen=True, slots=True)
class Step:
    """
    One processing step.

    Parameters
    ----------
    name
        Its name.
    arguments
        Its arguments, as text.
    """

    name: str
    arguments: Mapping[str, str] = field(default_factory=dict)


def parse(parameters: Mapping[str, str]) -> tuple[int, list[Step]]:
    """
    Read the record limit and the steps of a request.

    Steps are not looked up here: a request with one that nobody knows is taken, and fails when it is carried out.

    Parameters
    ----------
    parameters
        The request. ``process=n`` may be the name of a parameter or its beginning (contract B.9); ``processing`` has
        the steps as JSON.

    Returns
    -------
    int
        How many of the first records, or of the last ones if negative; 0 for all.
    list
        The steps, in order.

    Raises
    ------
    QueryError
        If they cannot be read, or are too many.

    Examples
    --------
    >>> parse({"process=n": "5|rebin,method=boxcar,scale=0.25"})
    (5, [Step(name='rebin', arguments={'method': 'boxcar', 'scale': '0.25'})])
    >>> parse({"processing": '{"im_patch": {"x": -517.2, "t": false}}', "max_recs": "2"})
    (2, [Step(name='im_patch', arguments={'x': '-517.2', 't': '0'})])
    """
    limit, steps = _parse(parameters)
    if len(steps) > MOST_STEPS:
        raise QueryError(f"{len(steps)} processing steps are too many for one request; at most {MOST_STEPS} are not.")
    return limit, steps


def _parse(parameters: Mapping[str, str]) -> tuple[int, list[Step]]:
    if parameters.get("processing"):
        return _limit(parameters.get("max_recs", "")), _from_json(parameters["processing"])
    text = parameters.get("process=n")
    if text is None:
        text = parameters.get("process", "").removeprefix("n=")
    number, *parts = text.split("|")
    steps = [_step(part) for part in parts if part.strip(", ")]
    return _limit(number.strip(", ")), [step for step in steps if step.name != NO_STEP]


def _limit(text: str) -> int:
    try:
        return int(text or 0)
    except ValueError as err:
        raise QueryError(f"Bad record limit n={text}; it is a whole number, 0 for no limit.") from err


def _step(text: str) -> Step:
    name, *parts = [part.strip() for part in text.split(",")]
    arguments: dict[str, str] = {}
    for part in parts:
        key, equals, value = part.partition("=")
        if part and (not equals or not key):
            raise QueryError(f"{part!r} is no argument of the processing step {name}; one looks like 'scale=0.25'.")
        if part:
            arguments[key] = value
    return Step(name, arguments)


def _from_json(text: str) -> list[Step]:
    words = "invalid processing list argument"
    try:
        form = json.loads(text)
    except (ValueError, RecursionError) as err:
        raise QueryError(words) from err
    if not isinstance(form, dict):
        raise QueryError(words)
    steps = []
    for name, arguments in form.items():
        if not isinstance(arguments, dict) or len(name) > LONGEST_NAME:
            raise QueryError(f"{words}: {name}")
        program = PROGRAMS.get(name) or str(name)
        steps.append(Step(program, {key: _text(key, value) for key, value in arguments.items()}))
    return [step for step in steps if step.name != NO_STEP]


def _text(key: str, value: Any) -> str:
    # Truth is a number, nothing is 0 (contract F.1).
    if value is None or isinstance(value, bool):
        return str(int(bool(value)))
    if isinstance(value, int | float | str) and len(key) <= LONGEST_NAME and len(str(value)) <= LONGEST_VALUE:
        return str(value)
    raise QueryError(f"invalid processing list argument: {key}")


class Arguments:
    """
    The arguments of a step, each of which is taken once, and checked.

    Parameters
    ----------
    step
        The step.
    """

    def __init__(self, step: Step) -> None:
        self.step = step
        self._left = dict(step.arguments)

    def number(
        self, name: str, default: float | None = None, *, least: float = -math.inf, most: float = math.inf
    ) -> float:
        """
        Take a number between two others.

        Raises
        ------
        QueryError
            If it is none, or missing and there is no default.
        """
        text = self._left.pop(name, "")
        if not text and default is not None:
            return default
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most or not math.isfinite(value):
            limits = f" from {least:g}" * (least > -math.inf) + f" to {most:g}" * (most < math.inf)
            raise self._error(name, text, f"a number{limits}")
        return value

    def whole(self, name: str, *, least: int, most: int) -> int:
        """
        Take a whole number between two others.

        Raises
        ------
        QueryError
            If it is none.
        """
        value = self.number(name, least=least, most=most)
        if not value.is_integer():
            raise self._error(name, f"{value:g}", "a whole number")
        return int(value)

    def choice(self, name: str, options: Sequence[str], default: str = "") -> str:
        """
        Take one of some words, in any case.

        Raises
        ------
        QueryError
            If it is another one, or missing and there is no default.
        """
        text = self._left.pop(name, "") or default
        for option in options:
            if option.lower() == text.lower():
                return option
        raise self._error(name, text, f"one of {', '.join(options)}")

    def flag(self, name: str) -> bool:
        """
        Take a yes or no, no by default.

        Raises
        ------
        QueryError
            If it is neither.
        """
        words = {"1": True, "0": False, "true": True, "false": False}
        return words[self.choice(name, list(words), "0")]

    def time(self, name: str) -> float | None:
        """
        Take a time, in UTC if it does not say otherwise; None if it is missing.

        Raises
        ------
        QueryError
            If it is no time.
        """
        text = self._left.pop(name, "")
        if not text:
            return None
        try:
            seconds = times.parse(text)
        except QueryError as err:
            raise self._error(name, text, "a time such as 2025-01-01T04:33:30") from err
        if seconds == times.MISSING:
            raise self._error(name, text, "a time such as 2025-01-01T04:33:30")
        return seconds

    def finish(self) -> None:
        """
        Make sure that no argument is left.

        Raises
        ------
        QueryError
            If there is one that the step does not know.
        """
        if self._left:
            raise QueryError(
                f"The processing step {self.step.name} has no argument {', '.join(map(repr, self._left))}."
            )

    def _error(self, name: str, text: str, wanted: str) -> QueryError:
        if not text:
            return QueryError(f"The processing step {self.step.name} needs the argument {name}, {wanted}.")
        return QueryError(f"{name}={text} of the processing step {self.step.name} is wrong: it must be {wanted}.")
