"""Track Users: a person's attributes, events and purchases (post_user_track).

The objects a request are those of api/api_limits, 75 together; older contracts have
75 in each array. Two pages say what is in the objects: user_attributes_object,
event_object and purchase_object of api/objects_filters.
"""

from externalapi.template.batching import PLANS, BatchPlan
from externalapi.template.parameters import Parameter, ParameterType
from externalapi.vendors.braze.facts.endpoints import TRACK, TRACK_SYNC
from externalapi.vendors.braze.presets.common import (
    EVENT_TIME,
    EXTERNAL_ID,
    braze_preset,
)

GROUP = "Track Users"
OBJECTS = "75 objects a request"
PLAN = PLANS["braze_75_combined"]

# The definition of Braze's page for this integration, with its pictures' parameters.
TRACK_USERS = braze_preset(
    TRACK,
    code="braze_track_users",
    group=GROUP,
    name="Braze Track Users",
    description="Sends a person's attributes and an event to Braze.",
    body="""\
{
  "attributes": [
    {
      "external_id": {{External ID}},
      "first_name": {{Name of the User}},
      "email": {{Email}}
    }
  ],
  "events": [
    {
      "external_id": {{External ID}},
      "name": "lead_submitted",
      "time": {{Event Time}},
      "properties": {
        "product_id": {{Product ID}}
      }
    }
  ]
}
""",
    plan=PLAN,
    objects=OBJECTS,
    parameters=(
        EXTERNAL_ID,
        Parameter(name="Name of the User", example="Ada"),
        Parameter(name="Email", required=False, example="ada@example.com"),
        EVENT_TIME,
        Parameter(name="Product ID", example="p-7"),
    ),
)

TRACK_ATTRIBUTES = braze_preset(
    TRACK,
    code="braze_track_attributes",
    group=GROUP,
    name="Braze Attributes",
    description="Keeps a person's profile in Braze up to date. What is sent again"
    " overwrites; every attribute counts as a data point, so send what has changed.",
    body="""\
{
  "attributes": [
    {
      "external_id": {{External ID}},
      "first_name": {{First Name}},
      "last_name": {{Last Name}},
      "email": {{Email}},
      "phone": {{Phone}}
    }
  ]
}
""",
    plan=PLAN,
    objects=OBJECTS,
    parameters=(
        EXTERNAL_ID,
        Parameter(name="First Name", required=False, example="Ada"),
        Parameter(name="Last Name", required=False, example="Lovelace"),
        Parameter(name="Email", required=False, example="ada@example.com"),
        Parameter(
            name="Phone",
            description="In E.164: with a plus and the country.",
            required=False,
            example="+4915112345678",
        ),
    ),
)

TRACK_EVENT = braze_preset(
    TRACK,
    code="braze_track_event",
    group=GROUP,
    name="Braze Event",
    description="Records that a person did something. Sent twice, it counts twice.",
    body="""\
{
  "events": [
    {
      "external_id": {{External ID}},
      "name": {{Event Name}},
      "time": {{Event Time}},
      "properties": {{Properties}}
    }
  ]
}
""",
    plan=PLAN,
    objects=OBJECTS,
    parameters=(
        EXTERNAL_ID,
        Parameter(name="Event Name", example="lead_submitted"),
        EVENT_TIME,
        Parameter(
            name="Properties",
            type=ParameterType.OBJECT,
            required=False,
            example='{"product_id": "p-7"}',
        ),
    ),
)

TRACK_PURCHASE = braze_preset(
    TRACK,
    code="braze_track_purchase",
    group=GROUP,
    name="Braze Purchase",
    description="Records what a person bought. Sent twice, it counts twice.",
    body="""\
{
  "purchases": [
    {
      "external_id": {{External ID}},
      "product_id": {{Product ID}},
      "currency": {{Currency}},
      "price": {{Price}},
      "quantity": {{Quantity}},
      "time": {{Purchase Time}}
    }
  ]
}
""",
    plan=PLAN,
    objects=OBJECTS,
    parameters=(
        EXTERNAL_ID,
        Parameter(name="Product ID", example="p-7"),
        Parameter(
            name="Currency",
            description="Three letters, as ISO 4217 has them.",
            default="USD",
            example="EUR",
        ),
        Parameter(name="Price", type=ParameterType.NUMBER, example="19.90"),
        Parameter(
            name="Quantity",
            description="From 1 to 100.",
            type=ParameterType.INTEGER,
            required=False,
            example="2",
        ),
        Parameter(
            name="Purchase Time",
            type=ParameterType.DATETIME,
            example="2025-01-31T09:30:00Z",
        ),
    ),
)

TRACK_USERS_SYNC = braze_preset(
    TRACK_SYNC,
    code="braze_track_sync",
    group=GROUP,
    name="Braze Synchronous track",
    description="Answers when the data can be seen, with one object a request. A"
    " limited beta: ask Braze before you use it.",
    body="""\
{
  "events": [
    {
      "external_id": {{External ID}},
      "name": {{Event Name}},
      "time": {{Event Time}}
    }
  ]
}
""",
    plan=BatchPlan(),
    objects="1 object a request",
    parameters=(
        EXTERNAL_ID,
        Parameter(name="Event Name", example="lead_submitted"),
        EVENT_TIME,
    ),
)

PRESETS = (
    TRACK_USERS,
    TRACK_ATTRIBUTES,
    TRACK_EVENT,
    TRACK_PURCHASE,
    TRACK_USERS_SYNC,
)
