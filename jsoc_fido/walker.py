"""
From the attr tree to one `~jsoc_fido.query.Query` for each OR branch. No text is made here and nobody is asked.

Words of this package and of sunpy's own JSOC client are both understood; a word that is not is an error.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import astropy.units as u
import numpy as np
import sunpy.net.jsoc.attrs as builtin
from astropy.time import Time
from sunpy.net import _attrs as common
from sunpy.net.attr import AttrAnd, AttrOr, AttrWalker, DataAttr

from jsoc_fido import attrs, times
from jsoc_fido.conditions import all_of, any_of, shown
from jsoc_fido.exceptions import QueryError
from jsoc_fido.query import PrimeKeyValue, ProcessStep, Query, TimeSpan, WavelengthSpan

__all__ = ["queries", "understood", "walker"]


#: Characters of the values of a prime key above which alternatives stay questions of their own.
LONGEST_LIST = 1500


class Draft:
    """
    A query in the making; appliers change it in place.
    """

    def __init__(self) -> None:
        self.query = Query()
        self.has_cutout = False

    def set(self, attr: object, name: str, value: Any) -> None:
        """
        Set what can be said only once.

        Raises
        ------
        QueryError
            If it was said before, and otherwise.
        """
        before = getattr(self.query, name)
        if before not in (None, "", value):
            word = type(attr).__name__
            said = "" if name == "notify" else f", as {shown(before)} and as {shown(value)}"
            raise QueryError(f"{word} was given twice{said}; join alternatives with |.")
        self.set_anew(name, value)

    def add(self, name: str, *values: Any) -> None:
        """
        Add to what can be said several times; the same thing twice is said once.
        """
        before = getattr(self.query, name)
        self.set_anew(name, tuple(dict.fromkeys((*before, *values))))

    def append(self, step: ProcessStep) -> None:
        """
        Add a processing step. They are a sequence, in which the same step may come again.
        """
        self.set_anew("steps", (*self.query.steps, step))

    def set_anew(self, name: str, value: Any) -> None:
        """
        Set a part of the query, whatever it was.
        """
        self.query = replace(self.query, **{name: value})


walker = AttrWalker()


def queries(tree: Any) -> list[Query]:
    """
    Translate attrs to queries, one for each OR branch.

    Parameters
    ----------
    tree
        An attr, or attrs joined with ``&`` and ``|``.

    Raises
    ------
    QueryError
        If an attr is not understood, or if attrs contradict each other.

    Examples
    --------
    >>> from jsoc_fido import attrs, walker
    >>> walker.queries(attrs.Series("hmi.m_45s") & attrs.PrimeKey("CAMERA", 2))
    [Query(series='hmi.m_45s', prime_keys=(PrimeKeyValue(name='CAMERA', value=2),))]
    """
    result: list[Query] = walker.create(tree)
    return result


def understood() -> frozenset[type]:
    """
    The attr types that a search may consist of.
    """
    return frozenset(walker.applymm.registry) - {AttrAnd, object}


@walker.add_creator(AttrOr)
def create_branches(wlk: AttrWalker, tree: AttrOr) -> list[Query]:
    """
    One query for each branch, whatever the nesting; branches that differ in their conditions only, or in the values of
    one prime key only, are one.
    """
    merged: dict[Query, list[Query]] = {}
    for branch in tree.attrs:
        for query in wlk.create(branch):
            merged.setdefault(replace(query, tests=()), []).append(query)
    found: list[Query] = []
    places: dict[Query, list[int]] = {}
    for query in map(_either, merged.values()):
        alike = places.setdefault(replace(query, prime_keys=()), [])
        for place in alike:
            joined = _joined(found[place], query)
            if joined is not None:
                found[place] = joined
                break
        else:
            alike.append(len(found))
            found.append(query)
    return found


def _either(branches: Sequence[Query]) -> Query:
    """
    One query for branches that differ in their conditions only.
    """
    if all(query.tests for query in branches):
        return replace(branches[0], tests=(any_of(*(all_of(*query.tests) for query in branches)),))
    # A branch without conditions has all that the others have.
    return replace(branches[0], tests=())


def _joined(first: Query, second: Query) -> Query | None:
    """
    One query for two that differ in the values of one prime key only; None if they cannot be one.
    """
    # The first and the last are those of what the other prime keys select (contract A.8).
    if any(set("^$") & set(str(value.value)) for value in (*first.prime_keys, *second.prime_keys)):
        return None
    ours, theirs = _by_name(first), _by_name(second)
    differing = [name for name in ours if ours[name] != theirs.get(name)]
    if set(ours) != set(theirs) or len(differing) != 1:
        return None
    (name,) = differing
    # A record set has room for so much (contract A.2), and an address for less.
    if sum(len(str(value.value)) for value in (*ours[name], *theirs[name])) > LONGEST_LIST:
        return None
    return replace(first, prime_keys=tuple(dict.fromkeys((*first.prime_keys, *theirs[name]))))


def _by_name(query: Query) -> dict[str, list[PrimeKeyValue]]:
    found: dict[str, list[PrimeKeyValue]] = {}
    for value in query.prime_keys:
        found.setdefault(value.name.lower(), []).append(value)
    return found


@walker.add_creator(AttrAnd, DataAttr)
def create_query(wlk: AttrWalker, tree: Any) -> list[Query]:
    """
    One query from attrs that all hold.
    """
    if type(tree) not in walker.applymm.registry:
        raise _not_understood(tree)
    draft = Draft()
    wlk.apply(tree, draft)
    return [draft.query]


def _not_understood(attr: object) -> QueryError:
    words = ", ".join(sorted({kind.__name__ for kind in understood()}))
    return QueryError(
        f"{type(attr).__name__} is not understood by the JSOC client: {shown(attr)}. It understands {words}."
    )


@walker.add_applier(AttrAnd)
def apply_all(wlk: AttrWalker, tree: AttrAnd, draft: Draft) -> None:
    for attr in tree.attrs:
        if type(attr) not in walker.applymm.registry:
            # Dispatch goes by inheritance: a word of another archive must not pass for one of ours.
            raise _not_understood(attr)
        wlk.apply(attr, draft)


@walker.add_applier(attrs.Series, builtin.Series)
def apply_series(wlk: AttrWalker, attr: Any, draft: Draft) -> None:
    # What sunpy's own words are given is checked here, as it is not by them.
    draft.set(attr, "series", attrs.Series(attr.value).value)


@walker.add_applier(common.Time)
def apply_time(wlk: AttrWalker, attr: common.Time, draft: Draft) -> None:
    if attr.near is not None:
        raise QueryError(
            "Time(near=...) is not something DRMS can be asked; leave `near` out and choose from the table."
        )
    for time in (attr.start, attr.end):
        if not isinstance(time, Time) or not time.isscalar or np.any(time.mask):
            raise QueryError(
                f"Time needs a start and an end that are single times, not {shown(time)}; it cannot be open."
            )
    start, end = (float(times.from_astropy(time)) for time in (attr.start, attr.end))
    if start > end:
        raise QueryError(f"Time ends before it begins: from {attr.start.isot} to {attr.end.isot}.")
    draft.set(attr, "time", TimeSpan(start, end))


@walker.add_applier(common.Wavelength)
def apply_wavelength(wlk: AttrWalker, attr: common.Wavelength, draft: Draft) -> None:
    ends = sorted(float(end.to_value(u.AA, u.spectral())) for end in (attr.min, attr.max))
    if not all(0 < end < float("inf") for end in ends):
        raise QueryError(f"Wavelength needs lengths, not {attr.min} and {attr.max}.")
    draft.set(attr, "wavelength", WavelengthSpan(*ends))


@walker.add_applier(common.Sample)
def apply_sample(wlk: AttrWalker, attr: common.Sample, draft: Draft) -> None:
    if np.ndim(attr.value) or not 0 < attr.value < float("inf"):
        raise QueryError(
            f"Sample needs a duration longer than nothing, not {shown(np.asarray(attr.value).tolist())} s."
        )
    draft.set(attr, "sample", float(attr.value))


@walker.add_applier(attrs.PrimeKey, builtin.PrimeKey)
def apply_prime_key(wlk: AttrWalker, attr: Any, draft: Draft) -> None:
    checked = attrs.PrimeKey(attr.label, attr.value)
    draft.add("prime_keys", *(PrimeKeyValue(checked.label, value) for value in checked.values))


@walker.add_applier(attrs.Segment, builtin.Segment)
def apply_segment(wlk: AttrWalker, attr: Any, draft: Draft) -> None:
    draft.add("segments", *(name.strip() for name in attrs.Segment(attr.value).value.split(",") if name.strip()))


@walker.add_applier(attrs.KeywordCondition, attrs.KeywordComparison)
def apply_condition(wlk: AttrWalker, attr: attrs.KeywordCondition, draft: Draft) -> None:
    draft.add("tests", attr.condition)


@walker.add_applier(builtin.KeywordComparison)
def apply_keyword_test(wlk: AttrWalker, attr: Any, draft: Draft) -> None:
    draft.add("tests", attrs.KeywordComparison(attr.name, attr.operator, attr.value).condition)


@walker.add_applier(attrs.Keyword, builtin.Keyword)
def apply_bare_keyword(wlk: AttrWalker, attr: Any, draft: Draft) -> None:
    raise QueryError(f"Keyword {shown(attr.value)} needs to have a comparison to a value.")


@walker.add_applier(attrs.Keys)
def apply_keys(wlk: AttrWalker, attr: attrs.Keys, draft: Draft) -> None:
    draft.add("keys", *attr.names)


@walker.add_applier(attrs.RecordSet)
def apply_record_set(wlk: AttrWalker, attr: attrs.RecordSet, draft: Draft) -> None:
    draft.set(attr, "record_set", attr.value)


@walker.add_applier(attrs.Site)
def apply_site(wlk: AttrWalker, attr: attrs.Site, draft: Draft) -> None:
    draft.set(attr, "site", attr.value)


@walker.add_applier(attrs.Notify, builtin.Notify)
def apply_notify(wlk: AttrWalker, attr: Any, draft: Draft) -> None:
    draft.set(attr, "notify", attrs.Notify(attr.value).value)


@walker.add_applier(attrs.Protocol)
def apply_protocol(wlk: AttrWalker, attr: attrs.Protocol, draft: Draft) -> None:
    draft.set(attr, "protocol", attr.text)


@walker.add_applier(builtin.Protocol)
def apply_builtin_protocol(wlk: AttrWalker, attr: Any, draft: Draft) -> None:
    draft.set(attr, "protocol", attrs.Protocol(attr.value).text)


@walker.add_applier(attrs.Cutout, builtin.Cutout)
def apply_cutout(wlk: AttrWalker, attr: Any, draft: Draft) -> None:
    if draft.has_cutout:
        raise QueryError("Cutout was given twice; a part can be cut out once. Join alternatives with |.")
    draft.has_cutout = True
    draft.append(ProcessStep("im_patch", tuple(attr.value.items())))


@walker.add_applier(attrs.Process)
def apply_process(wlk: AttrWalker, attr: attrs.Process, draft: Draft) -> None:
    draft.append(attr.step)
