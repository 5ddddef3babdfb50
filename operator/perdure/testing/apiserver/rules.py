"""The rules of our CRDs, written in Python and found by their text.

CEL would cost more than all the rest of a write. tests/testing/apiserver/test_rules.py says that
every rule of the CRDs has its function here and none is left over; tests/contract/api_server
shows each of them firing, here and on a real server.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

from perdure.engine.values import Json, JsonObject
from perdure.testing.apiserver.equality import same, same_time

Rule: TypeAlias = "Callable[[Any, Any], bool]"
"""Takes self and oldSelf, None for one that there is not; both are of the schema's types."""

FINAL = ("Succeeded", "Failed", "Terminated")
LASTING = ("Succeeded", "Completed")

IS_FINAL = "(has(oldSelf.phase) && oldSelf.phase in ['Succeeded', 'Failed', 'Terminated'])"
COUNTED = "(has(self.{0}) ? 1 : 0)"
UNCHANGED = "has(self.{0}) == has(oldSelf.{0}) && (!has(self.{0}) || self.{0} == oldSelf.{0})"


def is_transition(rule: str) -> bool:
    """Say whether a rule is about a change: it does not hold for what is new."""
    return "oldSelf" in rule


# --- any kind -------------------------------------------------------------------------------


def never_changes(new: Json, old: Json) -> bool:
    return same(new, old)


def named_within(most: int) -> Rule:
    """Return the rule that the name has at most so many characters."""

    def rule(new: Any, old: Any) -> bool:
        return len(new["metadata"].get("name", "")) <= most

    return rule


def unchanged(field: str, equal: Callable[[Json, Json], bool] = same) -> Rule:
    """Return the rule that a field stays as it is, there or not."""

    def rule(new: JsonObject, old: JsonObject) -> bool:
        return _is_unchanged(field, equal, new, old)

    return rule


def _is_unchanged(
    field: str, equal: Callable[[Json, Json], bool], new: JsonObject, old: JsonObject
) -> bool:
    if (field in new) != (field in old):
        return False
    return field not in new or equal(new[field], old[field])


def _counted(fields: str) -> str:
    return " + ".join(COUNTED.format(field) for field in fields.split())


def _present(fields: str, value: JsonObject) -> int:
    return sum(field.strip("_") in value for field in fields.split())


def exactly_one(fields: str) -> tuple[str, Rule]:
    """Return text and rule; words of CEL are escaped as `__for__`."""
    return f"{_counted(fields)} == 1", lambda new, old: _present(fields, new) == 1


def at_most_one(fields: str) -> tuple[str, Rule]:
    return f"{_counted(fields)} <= 1", lambda new, old: _present(fields, new) <= 1


def needs(field: str, other: str) -> tuple[str, Rule]:
    """Return text and rule that one field does not come without another."""
    text = f"!has(self.{field}) || has(self.{other})"
    return text, lambda new, old: field not in new or other in new


# --- instances: spec ------------------------------------------------------------------------


def terminate_stays(new: JsonObject, old: JsonObject) -> bool:
    if "terminate" not in old:
        return True
    return "terminate" in new and same(new["terminate"], old["terminate"])


def events_fit(new: list[Json], old: list[Json] | None) -> bool:
    return len(new) <= 32


def events_stay(new: list[JsonObject], old: list[JsonObject]) -> bool:
    ids = {event["id"] for event in new}
    return all(event["id"] in ids for event in old)


def takes_events(new: Any, old: Any) -> bool:
    """An ended instance gets no more events; their order does not count in a list of type map."""
    if "status" not in old or not _was_final(old["status"]):
        return True
    return same(_by_id(new["spec"]["events"]), _by_id(old["spec"]["events"]))


def _by_id(events: list[JsonObject]) -> Json:
    return {str(event["id"]): event for event in events}


# --- instances: status ----------------------------------------------------------------------


def status_stays(new: JsonObject, old: JsonObject) -> bool:
    return "status" not in old or "status" in new


def rev_grows(new: Any, old: Any) -> bool:
    return "rev" not in old or ("rev" in new and new["rev"] >= old["rev"])


def _was_final(status: JsonObject) -> bool:
    return status.get("phase") in FINAL


def phase_is_final(new: JsonObject, old: JsonObject) -> bool:
    return not _was_final(old) or new.get("phase") == old["phase"]


def result_is_final(new: JsonObject, old: JsonObject) -> bool:
    if not _was_final(old):
        return True
    times = all(_is_unchanged(field, same_time, new, old) for field in ("startedAt", "completedAt"))
    return times and all(
        _is_unchanged(field, same, new, old) for field in ("history", "error", "revision")
    )


def conditions_are_final(new: Any, old: Any) -> bool:
    if not _was_final(old) or "conditions" not in old:
        return True
    if "conditions" not in new:
        return False
    told = {(condition["type"], condition["status"]) for condition in new["conditions"]}
    return all(
        condition["type"] not in LASTING or (condition["type"], condition["status"]) in told
        for condition in old["conditions"]
    )


def status_is_final(new: Any, old: Any) -> bool:
    if not _was_final(old) or same(new, old):
        return True
    if not all(field in each for field in ("rev", "observedGeneration") for each in (new, old)):
        return False
    is_newer: bool = new["observedGeneration"] > old["observedGeneration"]
    return is_newer and new["rev"] >= old["rev"]


# --- definitions ----------------------------------------------------------------------------


def attempts_count(new: JsonObject, old: JsonObject | None) -> bool:
    return new.get("attempts") != 0


def url_is_whole(new: JsonObject, old: JsonObject | None) -> bool:
    return "url" not in new or not ("port" in new or "scheme" in new or "path" in new)


# --- the log --------------------------------------------------------------------------------


def lane_exists(new: JsonObject, old: JsonObject | None) -> bool:
    return cast("int", new["lane"]) < cast("int", new["lanes"])


def seq_fits(new: JsonObject, old: JsonObject | None) -> bool:
    return (new["seq"] == 0) == (new["kind"] in ("Empty", "Opening"))


def heir_fits(new: JsonObject, old: JsonObject | None) -> bool:
    return "heir" not in new or new["kind"] == "Released"


def next_lanes_fit(new: JsonObject, old: JsonObject | None) -> bool:
    return ("nextLanes" in new) == (new["kind"] == "Closed")


def slot_stays(new: JsonObject, old: JsonObject) -> bool:
    return all(new[field] == old[field] for field in ("generation", "lanes", "lane"))


def entry_is_later(new: Any, old: Any) -> bool:
    is_opened = old["kind"] == "Opening" and new["kind"] == "Empty"
    return new["seq"] > old["seq"] or is_opened or same(new, old)


def closed_stays(new: JsonObject, old: JsonObject) -> bool:
    return old["kind"] != "Closed" or same(new, old)


VERBS = "http wait event set raise __return__"

RULES: Mapping[str, Rule] = {
    "self == oldSelf": never_changes,
    # instances
    "size(self.metadata.name) <= 63": named_within(63),
    "!has(oldSelf.status) || has(self.status)": status_stays,
    "!has(oldSelf.status) || !has(oldSelf.status.phase) || "
    "!(oldSelf.status.phase in ['Succeeded', 'Failed', 'Terminated']) || "
    "self.spec.events == oldSelf.spec.events": takes_events,
    "self.definitionRef == oldSelf.definitionRef": unchanged("definitionRef"),
    UNCHANGED.format("input"): unchanged("input"),
    UNCHANGED.format("startAt"): unchanged("startAt", same_time),
    UNCHANGED.format("timeout"): unchanged("timeout"),
    "!has(oldSelf.terminate) || (has(self.terminate) && self.terminate == oldSelf.terminate)": (
        terminate_stays
    ),
    "size(self) <= 32": events_fit,
    "oldSelf.all(old, self.exists(new, new.id == old.id))": events_stay,
    "!has(oldSelf.rev) || (has(self.rev) && self.rev >= oldSelf.rev)": rev_grows,
    f"!{IS_FINAL} || (has(self.phase) && self.phase == oldSelf.phase)": phase_is_final,
    f"!{IS_FINAL} || ("
    + " && ".join(
        UNCHANGED.format(field)
        for field in ("history", "error", "startedAt", "completedAt", "revision")
    )
    + ")": result_is_final,
    f"!{IS_FINAL} || !has(oldSelf.conditions) || (has(self.conditions) && "
    "oldSelf.conditions.all(old, !(old.type in ['Succeeded', 'Completed']) || "
    "self.conditions.exists(new, new.type == old.type && new.status == old.status)))": (
        conditions_are_final
    ),
    f"!{IS_FINAL} || self == oldSelf || (has(self.rev) && has(oldSelf.rev) && "
    "self.rev >= oldSelf.rev && has(self.observedGeneration) && has(oldSelf.observedGeneration) "
    "&& self.observedGeneration > oldSelf.observedGeneration)": status_is_final,
    # definitions
    "size(self.metadata.name) <= 52": named_within(52),
    "!has(self.attempts) || self.attempts != 0": attempts_count,
    "!has(self.url) || !(has(self.port) || has(self.scheme) || has(self.path))": url_is_whole,
    # the log
    "self.lane < self.lanes": lane_exists,
    "(self.seq == 0) == (self.kind in ['Empty', 'Opening'])": seq_fits,
    "!has(self.heir) || self.kind == 'Released'": heir_fits,
    "has(self.nextLanes) == (self.kind == 'Closed')": next_lanes_fit,
    "self.generation == oldSelf.generation && self.lanes == oldSelf.lanes && "
    "self.lane == oldSelf.lane": slot_stays,
    "self.seq > oldSelf.seq || (oldSelf.kind == 'Opening' && self.kind == 'Empty') || "
    "self == oldSelf": entry_is_later,
    "oldSelf.kind != 'Closed' || self == oldSelf": closed_stays,
    **dict(
        (
            exactly_one(f"{VERBS} switch call"),
            exactly_one(VERBS),
            exactly_one("service url"),
            exactly_one("__for__ at"),
            exactly_one("flow do"),
            at_most_one("url path"),
            at_most_one("flow do"),
            needs("onUnknown", "http"),
            needs("with", "flow"),
        )
    ),
}
