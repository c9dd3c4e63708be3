"""Subscription groups and messages: who may be written to, and what is sent now.

A send takes 50 people a request and shares 250,000 requests an hour with everything
that has no limit of its own (post_send_messages, "Rate limit"). A person has to be
known to Braze. What is outside the list of people is the same for all of a request, so
it is fixed at the External API; a placeholder that each engagement fills there sends
one request for each person.
"""

from externalapi.template.batching import BatchPlan
from externalapi.template.parameters import Level, Parameter, ParameterType
from externalapi.vendors.braze.facts.endpoints import (
    SEND_MESSAGES,
    SET_SUBSCRIPTIONS,
    TRIGGER_CAMPAIGN,
    TRIGGER_CANVAS,
)
from externalapi.vendors.braze.presets.common import EXTERNAL_ID, braze_preset

SUBSCRIPTION_GROUP = "Subscription groups"
GROUP = "Messages"
MAX_PEOPLE = 50
OBJECTS = f"{MAX_PEOPLE} people a request"
_IDENTIFIER = "00000000-0000-0000-0000-000000000000"

SUBSCRIPTION_STATUS = braze_preset(
    SET_SUBSCRIPTIONS,
    code="braze_subscription_status",
    group=SUBSCRIPTION_GROUP,
    name="Braze Subscription status",
    description="Puts a person into an e-mail, SMS or WhatsApp subscription group, or"
    " takes them out (version 2).",
    channel="messaging",
    body="""\
{
  "subscription_groups": [
    {
      "subscription_group_id": {{Subscription Group ID}},
      "subscription_state": {{Subscription State}},
      "external_ids": [{{External ID}}]
    }
  ]
}
""",
    plan=BatchPlan(arrays=("subscription_groups",), combined=MAX_PEOPLE),
    objects=OBJECTS,
    parameters=(
        Parameter(
            name="Subscription Group ID",
            description="It is on the group's page in the Braze dashboard.",
            example=_IDENTIFIER,
        ),
        Parameter(
            name="Subscription State",
            default="subscribed",
            example="unsubscribed",
            allowed=("subscribed", "unsubscribed"),
        ),
        EXTERNAL_ID,
    ),
)

SEND_EMAIL = braze_preset(
    SEND_MESSAGES,
    code="braze_send_messages",
    group=GROUP,
    name="Braze Send messages",
    description="Sends an e-mail that is written here, without a campaign in Braze."
    " For Braze's figures add a campaign_id, and a message_variation_id in the e-mail.",
    channel="messaging",
    body="""\
{
  "external_user_ids": [{{External ID}}],
  "recipient_subscription_state": "subscribed",
  "messages": {
    "email": {
      "app_id": {{App ID}},
      "from": {{From}},
      "subject": {{Subject}},
      "body": {{HTML}}
    }
  }
}
""",
    plan=BatchPlan(arrays=("external_user_ids",), combined=MAX_PEOPLE),
    objects=OBJECTS,
    parameters=(
        EXTERNAL_ID,
        Parameter(
            name="App ID",
            description="The App Identifier, in Braze under Settings > API Keys.",
            level=Level.FIXED,
            example=_IDENTIFIER,
        ),
        Parameter(name="From", level=Level.FIXED, example="Shop <shop@example.com>"),
        Parameter(name="Subject", example="Your offer"),
        Parameter(name="HTML", example="<p>Hello!</p>"),
    ),
)

CAMPAIGN = braze_preset(
    TRIGGER_CAMPAIGN,
    code="braze_trigger_campaign",
    group=GROUP,
    name="Braze Trigger campaign",
    description="Sends an API-triggered campaign to a person, now. The campaign holds"
    " the message, this its values.",
    channel="messaging",
    body="""\
{
  "campaign_id": {{Campaign ID}},
  "recipients": [
    {
      "external_user_id": {{External ID}},
      "trigger_properties": {
        "first_name": {{Name of the User}},
        "product_id": {{Product ID}}
      }
    }
  ]
}
""",
    plan=BatchPlan(arrays=("recipients",), combined=MAX_PEOPLE),
    objects=OBJECTS,
    parameters=(
        Parameter(
            name="Campaign ID",
            description="It is shown with the API-triggered campaign in Braze.",
            level=Level.FIXED,
            example=_IDENTIFIER,
        ),
        EXTERNAL_ID,
        Parameter(name="Name of the User", required=False, example="Ada"),
        Parameter(name="Product ID", required=False, example="p-7"),
    ),
)

CANVAS = braze_preset(
    TRIGGER_CANVAS,
    code="braze_trigger_canvas",
    group=GROUP,
    name="Braze Trigger Canvas",
    description="Lets a person enter an API-triggered Canvas, now, with these values"
    " as its context.",
    channel="messaging",
    body="""\
{
  "canvas_id": {{Canvas ID}},
  "recipients": [
    {
      "external_user_id": {{External ID}},
      "context": {{Context}}
    }
  ]
}
""",
    plan=BatchPlan(arrays=("recipients",), combined=MAX_PEOPLE),
    objects=OBJECTS,
    parameters=(
        Parameter(
            name="Canvas ID",
            description="It is shown with the API-triggered Canvas in Braze.",
            level=Level.FIXED,
            example=_IDENTIFIER,
        ),
        EXTERNAL_ID,
        Parameter(
            name="Context",
            description="At most 50 KB.",
            type=ParameterType.OBJECT,
            required=False,
            example='{"product_name": "shoes"}',
        ),
    ),
)

PRESETS = (SUBSCRIPTION_STATUS, SEND_EMAIL, CAMPAIGN, CANVAS)
