"""Rules of requests that no table of keys can say; `endpoint_shapes` uses them."""

from collections.abc import Iterable, Mapping

from externalapi.template.spans import Path
from externalapi.vendors.braze.facts import refusals
from externalapi.vendors.braze.lint.findings import Findings, error, warning
from externalapi.vendors.braze.lint.shape import Rule, is_given
from externalapi.vendors.braze.lint.template_values import Unknown, Value


def wishes(known: frozenset[str], *, asked_by: Iterable[str]) -> Rule:
    """An address may be several people's: "prioritization" says which one is meant."""
    addresses = tuple(asked_by)

    def rule(item: Mapping[str, Value], at: Path, page: str) -> Findings:
        value = item.get("prioritization")
        if isinstance(value, Unknown) or not any(
            is_given(item.get(name)) for name in addresses
        ):
            return
        if not isinstance(value, list) or not value:
            place = (*at, "prioritization") if "prioritization" in item else at
            yield error(
                place,
                "“prioritization” is missing: of several people with this address it "
                "says which one is meant.",
                'Add "prioritization": ["most_recently_updated"].',
                page,
            )
            return
        for index, wish in enumerate(value):
            if not isinstance(wish, Unknown) and (
                not isinstance(wish, str) or wish not in known
            ):
                yield error(
                    (*at, "prioritization", index),
                    f"“{str(wish)[:40]}” is no prioritization.",
                    f"It is {', '.join(sorted(known))}.",
                    page,
                )
        for one, other in refusals.EXCLUSIVE:
            if one in value and other in value:
                yield error(
                    (*at, "prioritization"),
                    f"“{one}” and “{other}” are here; Braze takes one of them.",
                    "Keep one of them.",
                    page,
                )

    return rule


def people_or_broadcast(*names: str, audiences: tuple[str, ...] = ()) -> Rule:
    """A send names its people, or says that it is for all of an audience."""

    def rule(item: Mapping[str, Value], at: Path, page: str) -> Findings:
        people = [name for name in names if is_given(item.get(name))]
        broadcast = item.get("broadcast")
        if isinstance(broadcast, Unknown):
            return
        is_broadcast = broadcast in (True, "true")
        if people and is_broadcast:
            yield error(
                (*at, "broadcast"),
                f"{people[0]} and broadcast are here; Braze takes one of them.",
                "Take broadcast out: each person is sent to by name.",
                page,
            )
        elif not people and not is_broadcast:
            yield error(
                at,
                "Nobody is named who gets it; Braze refuses this.",
                f"Add {' or '.join(names)}.",
                page,
            )
        elif is_broadcast:
            yield from _broadcast(item, at, page, audiences)

    return rule


def _broadcast(
    item: Mapping[str, Value], at: Path, page: str, audiences: tuple[str, ...]
) -> Findings:
    yield warning(
        (*at, "broadcast"),
        "A broadcast reaches the whole audience again for each person of a segment.",
        "Name the person instead.",
        page,
    )
    if audiences and not any(is_given(item.get(name)) for name in audiences):
        yield error(
            at,
            f"A broadcast needs {' or '.join(audiences)}.",
            "Add one of them.",
            page,
        )


def attached(item: Mapping[str, Value], at: Path, page: str) -> Findings:
    """Attachments go to people by name, and not with a broadcast."""
    if item.get("attachments") and item.get("broadcast") in (True, "true"):
        yield error(
            (*at, "attachments"),
            "Braze takes no attachments with broadcast.",
            "Take them out, or name the people.",
            page,
        )


def not_email_and_phone(item: Mapping[str, Value], at: Path, page: str) -> Findings:
    given = [name for name in ("emails", "phones", "email", "phone") if item.get(name)]
    if {one.removesuffix("s") for one in given} == {"email", "phone"}:
        yield error(
            (*at, given[-1]),
            "Addresses and phone numbers are in one request; Braze takes one of them.",
            "Make an External API for each.",
            page,
        )


def sendable_email(item: Mapping[str, Value], at: Path, page: str) -> Findings:
    if not is_given(item.get("body")) and not is_given(item.get("email_template_id")):
        yield error(
            at,
            "The e-mail has no text.",
            "Add body, or email_template_id.",
            page,
        )


def some_message(item: Mapping[str, Value], at: Path, page: str) -> Findings:
    messages = (item.get(name) for name in refusals.MESSAGE_TYPES)
    if not any(isinstance(one, Unknown | dict) for one in messages):
        yield error(
            at,
            "There is no message to send.",
            f"Add one of {', '.join(refusals.MESSAGE_TYPES)}.",
            page,
        )


def variants(item: Mapping[str, Value], at: Path, page: str) -> Findings:
    """With a campaign each message says which of its variants it is."""
    messages = item.get("messages")
    if is_given(item.get("send_id")) and not is_given(item.get("campaign_id")):
        yield error(
            (*at, "send_id"), "send_id needs a campaign_id.", "Add campaign_id.", page
        )
    if not is_given(item.get("campaign_id")) or not isinstance(messages, dict):
        return
    for name, message in messages.items():
        if isinstance(message, dict) and not is_given(
            message.get("message_variation_id")
        ):
            yield error(
                (*at, "messages", name),
                "With a campaign_id each message needs its message_variation_id.",
                "Add it; the campaign's page in Braze shows it.",
                page,
            )


def created(item: Mapping[str, Value], at: Path, page: str) -> Findings:
    """send_to_existing_only false makes people, of whom something must be known."""
    if item.get("send_to_existing_only") is not False:
        return
    if is_given(item.get("user_alias")):
        yield error(
            (*at, "send_to_existing_only"),
            "Nobody can be made by a user alias here.",
            "Take send_to_existing_only out.",
            page,
        )
    elif not is_given(item.get("attributes")):
        yield error(
            at,
            "Who is made needs attributes.",
            "Add attributes, or take send_to_existing_only out.",
            page,
        )


def once(item: Mapping[str, Value], at: Path, page: str) -> Findings:
    """The IDs of a request's catalog items are unique."""
    items = item.get("items")
    seen: set[str] = set()
    for index, one in enumerate(items if isinstance(items, list) else []):
        own_id = one.get("id") if isinstance(one, dict) else None
        if isinstance(own_id, str) and own_id in seen:
            yield error(
                (*at, "items", index, "id"),
                f"The item “{own_id[:40]}” is here twice.",
                "Take one out.",
                page,
            )
        elif isinstance(own_id, str):
            seen.add(own_id)


def renamed(item: Mapping[str, Value], at: Path, page: str) -> Findings:
    names = ("current_external_id", "new_external_id")
    before, after = (item.get(name) for name in names)
    if isinstance(before, str) and before and before == after:
        yield error(
            (*at, names[1]), "Both IDs are the same.", "Write the new one.", page
        )


def new_alias_parts(item: Mapping[str, Value], at: Path, page: str) -> Findings:
    """A recorded request that Braze took has the alias in an object of its own."""
    nested = item.get("user_alias")
    parts = {**item, **nested} if isinstance(nested, dict) else item
    if isinstance(nested, Unknown):
        return
    for name in ("alias_name", "alias_label"):
        if not is_given(parts.get(name)):
            yield error(
                at, f"“{name}” is missing; Braze refuses this.", "Add it.", page
            )


def nothing_else(item: Mapping[str, Value], at: Path, page: str) -> Findings:
    for name in item.keys() - {"identifier_to_merge", "identifier_to_keep"}:
        yield error(
            (*at, name),
            f"Braze refuses a merge with “{name}”.",
            "A merge has identifier_to_merge and identifier_to_keep alone.",
            page,
        )


def without_id(item: Mapping[str, Value], at: Path, page: str) -> Findings:
    if "id" in item:
        yield error(
            (*at, "id"), "The item's ID stands in the path.", "Take it out.", page
        )
