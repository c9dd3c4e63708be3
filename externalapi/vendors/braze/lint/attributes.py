"""What Braze makes of an object of `attributes` (user_attributes_object)."""

import re
from collections.abc import Callable, Mapping
from datetime import date
from types import MappingProxyType
from uuid import UUID
from zoneinfo import available_timezones

from externalapi.template.parameters import ParameterType
from externalapi.template.spans import Path
from externalapi.vendors.braze.facts import contract
from externalapi.vendors.braze.lint.custom_attributes import lint_custom
from externalapi.vendors.braze.lint.findings import (
    ATTRIBUTES_PAGE,
    TRACK_PAGE,
    Finding,
    Findings,
    error,
    hint,
    warning,
)
from externalapi.vendors.braze.lint.spelling import likely_attribute
from externalapi.vendors.braze.lint.template_values import (
    Unknown,
    Value,
    is_boolean,
    is_list,
    is_number,
    is_object,
    is_text,
)

_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
_E164 = re.compile(r"\+[1-9]\d{6,14}")
_TIME_ZONES = frozenset(available_timezones())
# Elsewhere null deletes; these Braze refuses.
_NEVER_NULL = frozenset(
    {
        *contract.CONTROL_FLAGS,
        "email_subscribe",
        "email_subscription_info",
        "push_subscribe",
        "push_tokens",
        "subscription_groups",
    }
)
_GENDER_WORDS = {"male": "M", "female": "F", "other": "O", "unknown": "N"}


def lint_attributes(item: Mapping[str, Value], at: Path) -> Findings:
    """Yield what is to be said about one object's keys."""
    merges = item.get("_merge_objects") is True
    for key, value in item.items():
        path = (*at, key)
        if key in contract.PRIMARY_IDENTIFIERS:
            continue
        yield from _name(key, path)
        if value is None and key not in _NEVER_NULL:
            yield _deletes(key, path)
        elif check := _CHECKS.get(key):
            yield from check(key, value, path)
        else:
            yield from lint_custom(value, path, merges=merges)


def _name(key: str, path: Path) -> Findings:
    if not 0 < len(key) <= contract.MAX_NAME_CHARS:
        yield warning(
            path,
            f"An attribute's name has 1 to {contract.MAX_NAME_CHARS} characters.",
            "Shorten it; Braze does not keep it otherwise.",
            ATTRIBUTES_PAGE,
        )
    elif meant := likely_attribute(key):
        yield warning(
            path,
            f"“{key}” is not Braze's “{meant}”: it becomes a custom attribute.",
            f"Write “{meant}” if you mean that one.",
            ATTRIBUTES_PAGE,
        )


def _deletes(key: str, path: Path) -> Finding:
    return warning(
        path,
        f"null deletes “{key}” from every profile that is sent.",
        "Leave the key out, or write an optional parameter: without a value its key "
        "is left out.",
        ATTRIBUTES_PAGE,
    )


def _is_kind(
    fits: Callable[[Value], bool], kind: str
) -> Callable[[str, Value, Path], Findings]:
    def check(key: str, value: Value, path: Path) -> Findings:
        if not fits(value):
            yield _wrong_kind(key, value, kind, path)

    return check


def _wrong_kind(key: str, value: Value, kind: str, path: Path) -> Finding:
    advice = f"Write {kind} here."
    if isinstance(value, Unknown):
        advice = f"The parameter “{value.name}” is of the type {value.type.label}."
    return warning(
        path,
        f"“{key}” is {kind}; Braze ignores anything else.",
        advice,
        ATTRIBUTES_PAGE,
    )


def _text_that(
    find: Callable[[str], Finding | None],
) -> Callable[[str, Value, Path], Findings]:
    """A check of a text: its kind first, and where it is known, what it says."""

    def check(key: str, value: Value, path: Path) -> Findings:
        if not is_text(value):
            yield _wrong_kind(key, value, "a text", path)
        elif isinstance(value, str) and (found := find(value)):
            yield Finding(
                severity=found.severity,
                path=path,
                message=found.message,
                advice=found.advice,
                page=found.page,
            )

    return check


def _email(key: str, value: Value, path: Path) -> Findings:
    if isinstance(value, Unknown):
        yield from _TEXT(key, value, path)
    elif not isinstance(value, str) or not _EMAIL.fullmatch(value):
        yield error(
            path,
            f"“{str(value)[:60]}” is no e-mail address; Braze refuses the object.",
            "Correct it or write a parameter.",
            TRACK_PAGE,
        )


def _phone(text: str) -> Finding | None:
    if _E164.fullmatch(text):
        return None
    return warning(
        (),
        f"“{text[:60]}” is not a phone number in E.164.",
        "Write it with its country, without spaces: +14155552671.",
        ATTRIBUTES_PAGE,
    )


def _country(text: str) -> Finding | None:
    if text in contract.COUNTRIES:
        return None
    code = contract.COUNTRY_NAMES.get(text.lower()) or text.upper()
    if code in contract.COUNTRIES:
        message = f"Braze may understand “{text}” as {code}."
        return hint((), message, f"Write “{code}” to be sure.", ATTRIBUTES_PAGE)
    return warning(
        (),
        f"“{text[:60]}” is no country code; Braze maps the names that it knows, and may"
        " empty the attribute.",
        "Write two letters of ISO 3166-1, such as DE.",
        ATTRIBUTES_PAGE,
    )


def _language(text: str) -> Finding | None:
    if text in contract.LANGUAGES:
        return None
    code = text[:2].lower()
    example = code if code in contract.LANGUAGES else "en"
    return warning(
        (),
        f"“{text[:60]}” is no language code; Braze ignores it.",
        f"Write two small letters of ISO 639-1, such as {example}.",
        ATTRIBUTES_PAGE,
    )


def _gender(text: str) -> Finding | None:
    if text in contract.GENDERS:
        return None
    letter = _GENDER_WORDS.get(text.lower(), "F")
    return warning(
        (),
        f"“{text[:60]}” is not M, F, O, N or P; Braze ignores it.",
        f"Write one letter, such as {letter}.",
        ATTRIBUTES_PAGE,
    )


def _time_zone(text: str) -> Finding | None:
    # Rails' names, which Braze knows too, have no slash.
    if "/" not in text or text in _TIME_ZONES:
        return None
    return warning(
        (),
        f"“{text[:60]}” is no time zone; Braze ignores it.",
        "Write a name of the IANA database, such as Europe/Berlin.",
        ATTRIBUTES_PAGE,
    )


def _birthday(key: str, value: Value, path: Path) -> Findings:
    if isinstance(value, Unknown) and value.type is ParameterType.DATETIME:
        yield warning(
            path,
            "“dob” is a day without a time; a date and time is ignored.",
            f"Make the parameter “{value.name}” a Text and write 2001-12-31.",
            ATTRIBUTES_PAGE,
        )
    elif not is_text(value):
        yield _wrong_kind(key, value, "a text", path)
    elif isinstance(value, str) and not _is_day(value):
        yield warning(
            path,
            f"“{value[:60]}” is not a day; Braze ignores it.",
            "Write it as 2001-12-31.",
            ATTRIBUTES_PAGE,
        )


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _subscription(key: str, value: Value, path: Path) -> Findings:
    if is_text(value) and not isinstance(value, str):
        return
    if not isinstance(value, str) or value not in contract.SUBSCRIPTION_STATES:
        yield error(
            path,
            f"“{key}” is subscribed, unsubscribed or opted_in; Braze refuses the object.",
            "Write one of the three.",
            TRACK_PAGE,
        )


def _location(key: str, value: Value, path: Path) -> Findings:
    if isinstance(value, Unknown) and is_object(value):
        return
    if not isinstance(value, dict) or not {"longitude", "latitude"} <= value.keys():
        yield error(
            path,
            f"“{key}” needs longitude and latitude; Braze refuses the object.",
            'Write {"longitude": {{Longitude}}, "latitude": {{Latitude}}}.',
            TRACK_PAGE,
        )
        return
    for part, largest in (("longitude", 180), ("latitude", 90)):
        yield from _coordinate(part, value[part], largest, (*path, part))


def _coordinate(part: str, value: Value, largest: int, path: Path) -> Findings:
    if isinstance(value, Unknown):
        if not is_number(value):
            yield _wrong_kind(part, value, "a number", path)
    elif not is_number(value) or not -largest <= value <= largest:  # type: ignore[operator]
        yield error(
            path,
            f"“{part}” is a number from -{largest} to {largest}; Braze refuses the "
            "object.",
            "Correct it or write a parameter of the type Number.",
            TRACK_PAGE,
        )


def _items_with(
    keys: tuple[str, ...], check_item: Callable[[dict[str, Value], Path], Findings]
) -> Callable[[str, Value, Path], Findings]:
    """A check of a list of objects that each have these keys."""

    def check(key: str, value: Value, path: Path) -> Findings:
        if isinstance(value, Unknown) and is_list(value):
            return
        needs = " and ".join(keys)
        if not isinstance(value, list):
            yield _refused_list(key, needs, path)
            return
        for index, item in enumerate(value):
            if isinstance(item, dict) and set(keys) <= item.keys():
                yield from check_item(item, (*path, index))
            elif not isinstance(item, Unknown):
                yield _refused_list(key, needs, (*path, index))

    return check


def _refused_list(key: str, needs: str, path: Path) -> Finding:
    return error(
        path,
        f"“{key}” is a list of objects with {needs}; Braze refuses the object.",
        f"Give each of them {needs}.",
        TRACK_PAGE,
    )


def _group(item: dict[str, Value], path: Path) -> Findings:
    group = item["subscription_group_id"]
    if not isinstance(group, Unknown) and not _is_uuid(str(group)):
        yield error(
            (*path, "subscription_group_id"),
            f"“{str(group)[:60]}” is not the id of a subscription group.",
            "Copy the UUID from Braze's Subscription Group Management.",
            TRACK_PAGE,
        )
    state = item["subscription_state"]
    if not isinstance(state, Unknown) and state not in ("subscribed", "unsubscribed"):
        yield error(
            (*path, "subscription_state"),
            f"“{str(state)[:60]}” is not subscribed or unsubscribed.",
            "Write one of the two.",
            TRACK_PAGE,
        )


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def _push_token(item: dict[str, Value], path: Path) -> Findings:
    for part in ("app_id", "token"):
        if not is_text(item[part]):
            yield error(
                (*path, part),
                f"“{part}” is a text; Braze refuses the object.",
                "Write it in quotes.",
                TRACK_PAGE,
            )
    device = item.get("device_id")
    if device is None or isinstance(device, Unknown):
        return
    if not isinstance(device, str) or len(device.encode()) not in (
        contract.DEVICE_ID_BYTES
    ):
        yield error(
            (*path, "device_id"),
            "“device_id” is a text of 8 to 255 bytes; Braze refuses the object.",
            "Correct it or leave it out.",
            TRACK_PAGE,
        )


def _no_longer(key: str, value: Value, path: Path) -> Findings:
    yield warning(
        path,
        f"Braze does not process “{key}”.",
        "Leave it out or give a custom attribute another name.",
        ATTRIBUTES_PAGE,
    )


def _never(key: str, value: Value, path: Path) -> Findings:
    yield error(
        path,
        f"“{key}” is no valid attribute; Braze refuses the object.",
        "Use email_subscribe.",
        TRACK_PAGE,
    )


_TEXT = _is_kind(is_text, "a text")
_BOOLEAN = _is_kind(is_boolean, "true or false")
_OBJECT = _is_kind(is_object, "an object")
_CHECKS: Mapping[str, Callable[[str, Value, Path], Findings]] = MappingProxyType(
    {
        **dict.fromkeys(contract.CONTROL_FLAGS, _BOOLEAN),
        "first_name": _TEXT,
        "last_name": _TEXT,
        "home_city": _TEXT,
        "image_url": _TEXT,
        "date_of_first_session": _TEXT,
        "date_of_last_session": _TEXT,
        "marked_email_as_spam_at": _TEXT,
        "email": _email,
        "phone": _text_that(_phone),
        "country": _text_that(_country),
        "language": _text_that(_language),
        "gender": _text_that(_gender),
        "time_zone": _text_that(_time_zone),
        "dob": _birthday,
        "email_subscribe": _subscription,
        "push_subscribe": _subscription,
        "email_open_tracking_disabled": _BOOLEAN,
        "email_click_tracking_disabled": _BOOLEAN,
        "current_location": _location,
        "push_tokens": _items_with(("app_id", "token"), _push_token),
        "subscription_groups": _items_with(
            ("subscription_group_id", "subscription_state"), _group
        ),
        "facebook": _OBJECT,
        "twitter": _OBJECT,
        "bio": _no_longer,
        "email_subscription_info": _never,
    }
)
