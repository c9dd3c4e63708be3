"""Who may do what: the groups that a new installation starts with.

A group is made once. What an administrator changes in it later stays as it is; what is
new in a version, they could not have decided about, and the groups get it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from django.apps import AppConfig, apps
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission, User
from django.db import connections
from django.db.models import Model, QuerySet, Value
from django.db.models.functions import Concat

LOOK = (
    "externalapi.view_externalapi",
    "externalapi.view_connection",
    "segments.view_segment",
    "segments.view_uploadedlist",
    "segments.view_profile",
    "segments.view_event",
    "segments.view_dictionaryentry",
    "engagements.view_engagement",
    "engagements.view_frequencycap",
    "engagements.view_run",
    "engagements.view_batch",
    "engagements.view_delivery",
    "engagements.view_attempt",
)
# Bring people in by a file, and see what became of it.
IMPORT = ("segments.view_import", "segments.add_import")
# Upload a list of identifiers, which segments ask for.
LISTS = ("segments.add_uploadedlist", "segments.change_uploadedlist")
# What brings people in by itself: it holds a database's password.
FEEDS = tuple(
    f"segments.{verb}_{what}"
    for what in ("sourcequery", "watchedfolder")
    for verb in ("view", "add", "change", "delete")
)
# People's data as they are; who may not has them masked.
SEE = ("segments.view_personal_data",)
# Few should: who is asked by a person for their data, or to forget them.
PRIVACY = ("segments.export_profile", "segments.erase_profile")
# Above how many people a second person approves: not theirs who do.
LIMITS = ("engagements.set_approval",)
# Pausing is here and resuming with it: a pause that the same person could undo after
# changing the values would be a way around the Approver.
STOP = ("engagements.pause_engagement", "engagements.resend_engagement")
ACCOUNTS = tuple(
    f"auth.{verb}_{what}"
    for what in ("user", "group")
    for verb in ("view", "add", "change", "delete")
)

ROLES: Mapping[str, Iterable[str]] = {
    # Builds and tests; what goes live is an Approver's word.
    "Marketer": (
        *LOOK,
        *SEE,
        *IMPORT,
        *LISTS,
        "segments.delete_uploadedlist",
        "externalapi.add_externalapi",
        "externalapi.change_externalapi",
        "externalapi.test_externalapi",
        "segments.add_segment",
        "segments.change_segment",
        "segments.delete_segment",
        "segments.export_members",
        "segments.change_dictionaryentry",
        "engagements.add_engagement",
        "engagements.change_engagement",
        "engagements.delete_engagement",
        "engagements.export_delivery",
    ),
    # Activates what others built, and so may not build; how often anybody may be sent is
    # theirs to say.
    "Approver": (
        *LOOK,
        "engagements.activate_engagement",
        "engagements.add_frequencycap",
        "engagements.change_frequencycap",
        "engagements.delete_frequencycap",
        *STOP,
    ),
    # Connections and their keys, sources and their write keys, External APIs.
    "Engineer": (
        *LOOK,
        *SEE,
        *IMPORT,
        *LISTS,
        "externalapi.add_connection",
        "externalapi.change_connection",
        "externalapi.delete_connection",
        "externalapi.use_secret",
        "externalapi.add_externalapi",
        "externalapi.change_externalapi",
        "externalapi.delete_externalapi",
        "externalapi.test_externalapi",
        "segments.view_source",
        "segments.add_source",
        "segments.change_source",
        "segments.delete_source",
        *FEEDS,
        "segments.change_dictionaryentry",
        "segments.view_inboxrequest",
        # The engine as a whole: its state, and its brakes.
        "engagements.operate_delivery",
        *STOP,
    ),
    "Analyst": LOOK,
}
# All that has a page or a button; what happened cannot be written by anybody.
EVERYTHING = frozenset((*ACCOUNTS, *PRIVACY, *LIMITS)).union(*ROLES.values())
GROUPS: Mapping[str, Iterable[str]] = {**ROLES, "Administrator": EVERYTHING}
# Who has it was decided by the migration that brought it: who saw people's data before.
DECIDED = frozenset({"segments.view_personal_data"})

# By database, what there was to be permitted before it was migrated.
_before: dict[str, frozenset[str]] = {}


def note_permissions(sender: AppConfig, using: str = "default", **kwargs: Any) -> None:
    """Note which permissions there are already (a pre_migrate receiver)."""
    tables = connections[using].introspection.table_names()
    is_new = Permission._meta.db_table not in tables
    _before[using] = frozenset() if is_new else _named(permissions().using(using))


def create_groups(
    sender: AppConfig, verbosity: int = 1, using: str = "default", **kwargs: Any
) -> None:
    """Make the groups that do not exist yet, and give the others what is new.

    A post_migrate receiver.
    """
    groups = Group.objects.using(using)
    there = {group.name: group for group in groups.filter(name__in=GROUPS)}
    # Migrate makes the permissions app by app, some of them after this.
    for label in sorted({name.split(".")[0] for name in EVERYTHING}):
        create_permissions(apps.get_app_config(label), verbosity=0, using=using)
    every = _named(permissions().using(using))
    new = every - _before.pop(using, every) - DECIDED
    for name in sorted(GROUPS):
        if name in there:
            given = permissions(new.intersection(GROUPS[name])).using(using)
            there[name].permissions.add(*given)
        else:
            wanted = permissions(GROUPS[name]).using(using)
            groups.create(name=name).permissions.set(wanted)


def let_in(
    sender: object, instance: Model, action: str, pk_set: set[int] | None, **kwargs: Any
) -> None:
    """Who is in a group may sign in (an m2m_changed receiver, whoever adds them)."""
    if action != "post_add" or not pk_set:
        return
    # The relation has two ends: a user's groups, and a group's users.
    users = {instance.pk} if isinstance(instance, User) else pk_set
    User.objects.filter(pk__in=users, is_staff=False).update(is_staff=True)
    if isinstance(instance, User):
        instance.is_staff = True


def permissions(names: Iterable[str] = EVERYTHING) -> QuerySet[Permission]:
    """The rows of permissions that are named like `segments.view_segment`."""
    name = Concat("content_type__app_label", Value("."), "codename")
    return Permission.objects.annotate(full_name=name).filter(full_name__in=names)


def _named(found: QuerySet[Permission]) -> frozenset[str]:
    names = found.values_list("content_type__app_label", "codename")
    return frozenset(f"{app}.{codename}" for app, codename in names)
