"""Who a person is to Braze: identify, alias, merge and delete.

Each takes 50 a request and shares 20,000 requests a minute with the others (their
pages, "Rate limit"). A success says that the request was understood, not that anybody
was found: a wrong capital in an alias is a success without an effect
(post_user_identify, "Case sensitivity").
"""

from externalapi.template.batching import BatchPlan
from externalapi.template.parameters import Parameter
from externalapi.vendors.braze.facts.endpoints import (
    DELETE_USERS,
    IDENTIFY,
    MERGE_USERS,
    NEW_ALIAS,
)
from externalapi.vendors.braze.presets.common import EXTERNAL_ID, braze_preset

GROUP = "Users"
MAX_PEOPLE = 50
OBJECTS = f"{MAX_PEOPLE} people a request"

ALIAS_NAME = Parameter(
    name="Alias Name",
    description="Upper and lower case matter.",
    example="visitor-0815",
)
ALIAS_LABEL = Parameter(name="Alias Label", default="website", example="website")

IDENTIFY_BY_ALIAS = braze_preset(
    IDENTIFY,
    code="braze_identify_alias",
    group=GROUP,
    name="Braze Identify by alias",
    description="Gives an alias-only profile its external ID, or merges it into the"
    " profile that has it.",
    body="""\
{
  "aliases_to_identify": [
    {
      "external_id": {{External ID}},
      "user_alias": {
        "alias_name": {{Alias Name}},
        "alias_label": {{Alias Label}}
      }
    }
  ]
}
""",
    plan=BatchPlan(arrays=("aliases_to_identify",), combined=MAX_PEOPLE),
    objects=OBJECTS,
    parameters=(EXTERNAL_ID, ALIAS_NAME, ALIAS_LABEL),
)

IDENTIFY_BY_EMAIL = braze_preset(
    IDENTIFY,
    code="braze_identify_email",
    group=GROUP,
    name="Braze Identify by e-mail",
    description="Gives an e-mail-only profile its external ID. Nothing is merged where"
    " several profiles match.",
    body="""\
{
  "emails_to_identify": [
    {
      "external_id": {{External ID}},
      "email": {{Email}},
      "prioritization": ["unidentified", "most_recently_updated"]
    }
  ]
}
""",
    plan=BatchPlan(arrays=("emails_to_identify",), combined=MAX_PEOPLE),
    objects=OBJECTS,
    parameters=(EXTERNAL_ID, Parameter(name="Email", example="ada@example.com")),
)

ADD_ALIAS = braze_preset(
    NEW_ALIAS,
    code="braze_new_alias",
    group=GROUP,
    name="Braze New alias",
    description="Adds an alias to a person. Braze must know the external ID already.",
    body="""\
{
  "user_aliases": [
    {
      "external_id": {{External ID}},
      "alias_name": {{Alias Name}},
      "alias_label": {{Alias Label}}
    }
  ]
}
""",
    plan=BatchPlan(arrays=("user_aliases",), combined=MAX_PEOPLE),
    objects=OBJECTS,
    parameters=(EXTERNAL_ID, ALIAS_NAME, ALIAS_LABEL),
)

MERGE = braze_preset(
    MERGE_USERS,
    code="braze_merge_users",
    group=GROUP,
    name="Braze Merge users",
    description="Merges the old profile of a person into the one with the channel"
    " identifier. It cannot be undone.",
    body="""\
{
  "merge_updates": [
    {
      "identifier_to_merge": {"external_id": {{Old External ID}}},
      "identifier_to_keep": {"external_id": {{External ID}}}
    }
  ]
}
""",
    plan=BatchPlan(arrays=("merge_updates",), combined=MAX_PEOPLE),
    objects=OBJECTS,
    parameters=(
        Parameter(name="Old External ID", example="customer-old-4711"),
        EXTERNAL_ID,
    ),
)

DELETE = braze_preset(
    DELETE_USERS,
    code="braze_delete_users",
    group=GROUP,
    name="Braze Delete users",
    description="Deletes people's profiles in Braze for good. It cannot be undone.",
    body="""\
{
  "external_ids": [
    {{External ID}}
  ]
}
""",
    plan=BatchPlan(arrays=("external_ids",), combined=MAX_PEOPLE),
    objects=OBJECTS,
    parameters=(EXTERNAL_ID,),
)

PRESETS = (IDENTIFY_BY_ALIAS, IDENTIFY_BY_EMAIL, ADD_ALIAS, MERGE, DELETE)
