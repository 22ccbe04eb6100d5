"""
Many conditions in one, however many they are: SQLite takes no expression that is nested more than 1000 deep, and nests
``a OR b OR c`` once for each.
"""

import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.elements import BinaryExpression, BindParameter, Grouping

__all__ = ["all_of", "any_of"]

#: Conditions that are joined side by side.
MOST = 50

Condition = sa.ColumnElement[bool]


def any_of(conditions: Iterable[Condition]) -> Condition:
    """
    Join conditions of which one must hold. Those that a column equals a value are one ``IN``.

    Parameters
    ----------
    conditions
        The conditions; there must be one.
    """
    equalities: dict[int, list[Any]] = {}
    others = []
    for condition in conditions:
        if _is_equality(condition):
            equalities.setdefault(id(condition.left), []).append(condition)
        else:
            others.append(condition)
    same = [
        alike[0].left.in_([equality.right for equality in alike]) if len(alike) > 1 else alike[0]
        for alike in equalities.values()
    ]
    return _joined(sa.or_, "OR", [*same, *others])


def all_of(conditions: Iterable[Condition]) -> Condition:
    """
    Join conditions that must all hold.

    Parameters
    ----------
    conditions
        The conditions; there must be one.
    """
    return _joined(sa.and_, "AND", list(conditions))


def _is_equality(condition: Any) -> bool:
    return (
        isinstance(condition, BinaryExpression)
        and condition.operator is operator.eq
        and isinstance(condition.right, BindParameter)
    )


def _joined(join: Callable[..., Condition], word: str, conditions: Sequence[Condition]) -> Condition:
    if len(conditions) <= MOST:
        return join(*conditions)
    middle = len(conditions) // 2
    first, second = (Grouping(_joined(join, word, half)) for half in (conditions[:middle], conditions[middle:]))
    # SQLAlchemy would put both halves side by side if they were joined with its own `or_`.
    return first.bool_op(word)(second)
