"""The smallest valid rows, for every test: plain ORM, one function a model.

Names are unique in a process, so that a test may call a function as often as it likes.
"""

from tests.factories.engagements import (
    make_approval,
    make_attempt,
    make_batch,
    make_delivery,
    make_engagement,
    make_run,
)
from tests.factories.externalapi import (
    BODY,
    PARAMETERS,
    make_connection,
    make_external_api,
    make_test,
    make_version,
    parameter,
)
from tests.factories.segments import (
    crowd,
    enter,
    make_dictionary_entry,
    make_event,
    make_import,
    make_list,
    make_list_upload,
    make_people,
    make_profile,
    make_segment,
    make_source,
)
from tests.factories.users import make_admin, make_user

__all__ = [
    "BODY",
    "PARAMETERS",
    "crowd",
    "enter",
    "make_admin",
    "make_approval",
    "make_attempt",
    "make_batch",
    "make_connection",
    "make_delivery",
    "make_dictionary_entry",
    "make_engagement",
    "make_event",
    "make_external_api",
    "make_import",
    "make_list",
    "make_list_upload",
    "make_people",
    "make_profile",
    "make_run",
    "make_segment",
    "make_source",
    "make_test",
    "make_user",
    "make_version",
    "parameter",
]
