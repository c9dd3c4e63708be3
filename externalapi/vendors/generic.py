"""Any HTTP API: what people build most, to be changed to the vendor's own fields.

Their answers are read as plain HTTP: any 2xx has taken the request.
"""

from externalapi.http.answer_rules import GENERIC
from externalapi.template.parameters import Level, Parameter, ParameterType
from externalapi.template.transforms import Transform
from externalapi.vendors.preset import Preset

GROUP = "Any HTTP API"
JSON_HEADERS = {"Content-Type": "application/json"}

LEAD = Preset(
    code="http_lead",
    group=GROUP,
    name="CRM lead",
    description="Hands a lead to a CRM or to your own system, as JSON.",
    channel="crm",
    channel_identifier="email",
    method="POST",
    path="/leads",
    headers=JSON_HEADERS,
    body="""\
{
  "email": {{Email}},
  "first_name": {{First Name}},
  "last_name": {{Last Name}},
  "phone": {{Phone}},
  "source": {{Source}},
  "submitted_at": {{Submitted At}}
}
""",
    rules=GENERIC,
    parameters=(
        Parameter(name="Email", level=Level.IDENTIFIER, example="ada@example.com"),
        Parameter(name="First Name", required=False, example="Ada"),
        Parameter(name="Last Name", required=False, example="Lovelace"),
        Parameter(name="Phone", required=False, example="+4915112345678"),
        Parameter(name="Source", level=Level.FIXED, value="lemnisk", example="website"),
        Parameter(
            name="Submitted At",
            type=ParameterType.DATETIME,
            example="2025-01-31T09:30:00Z",
        ),
    ),
)

IVR_CALL = Preset(
    code="http_ivr_call",
    group=GROUP,
    name="IVR call",
    description="Has a person called: the number and the call flow, as form fields.",
    channel="messaging",
    channel_identifier="phone",
    method="POST",
    path="/calls",
    body_kind="form",
    body="""\
to = {{Phone}}
from = {{Caller ID}}
flow = {{Call Flow}}
name = {{Name of the User}}
""",
    rules=GENERIC,
    parameters=(
        Parameter(name="Phone", level=Level.IDENTIFIER, example="+4915112345678"),
        Parameter(name="Caller ID", level=Level.FIXED, example="+4930123456"),
        Parameter(name="Call Flow", example="renewal-reminder"),
        Parameter(name="Name of the User", required=False, example="Ada"),
    ),
)

SEND_EMAIL = Preset(
    code="http_email",
    group=GROUP,
    name="E-mail by a private provider",
    description="Sends an e-mail through an ESP of your own, as JSON.",
    channel="messaging",
    channel_identifier="email",
    method="POST",
    path="/messages",
    headers=JSON_HEADERS,
    body="""\
{
  "from": {{From}},
  "to": [{"email": {{Email}}, "name": {{Name of the User}}}],
  "subject": {{Subject}},
  "html": {{HTML}}
}
""",
    rules=GENERIC,
    parameters=(
        Parameter(name="From", level=Level.FIXED, example="Shop <shop@example.com>"),
        Parameter(name="Email", level=Level.IDENTIFIER, example="ada@example.com"),
        Parameter(name="Name of the User", required=False, example="Ada"),
        Parameter(name="Subject", example="Your offer"),
        Parameter(name="HTML", example="<p>Hello!</p>"),
    ),
)

SEND_SMS = Preset(
    code="http_sms",
    group=GROUP,
    name="SMS by a private provider",
    description="Sends a text message through an SMS provider that takes it in the"
    " address.",
    channel="messaging",
    channel_identifier="phone",
    method="GET",
    path="/sms",
    query=(("to", "{{Phone}}"), ("from", "{{Sender}}"), ("text", "{{Text}}")),
    body_kind="none",
    rules=GENERIC,
    parameters=(
        Parameter(name="Phone", level=Level.IDENTIFIER, example="+4915112345678"),
        Parameter(name="Sender", level=Level.FIXED, example="Shop"),
        Parameter(name="Text", example="Your order is on its way."),
    ),
)

CONVERSION = Preset(
    code="http_conversion",
    group=GROUP,
    name="Conversion API with hashed e-mail",
    description="Reports a conversion to an advertising platform. E-mail and phone are"
    " normalised and hashed before they leave.",
    channel="advertising",
    channel_identifier="email",
    method="POST",
    path="/{{Pixel ID}}/events",
    headers=JSON_HEADERS,
    body="""\
{
  "data": [
    {
      "event_name": {{Event Name}},
      "event_time": {{Event Time}},
      "action_source": "website",
      "user_data": {
        "em": [{{Email}}],
        "ph": [{{Phone}}]
      },
      "custom_data": {
        "currency": {{Currency}},
        "value": {{Value}}
      }
    }
  ]
}
""",
    rules=GENERIC,
    parameters=(
        Parameter(name="Pixel ID", level=Level.FIXED, example="1234567890"),
        Parameter(name="Event Name", default="Lead", example="Purchase"),
        Parameter(
            name="Event Time",
            description="Seconds since 1970.",
            type=ParameterType.INTEGER,
            example="1738315800",
        ),
        Parameter(
            name="Email",
            level=Level.IDENTIFIER,
            transform=Transform.SHA256_EMAIL,
            example="ada@example.com",
        ),
        Parameter(
            name="Phone",
            description="With its country, as +4915112345678.",
            required=False,
            transform=Transform.SHA256_PHONE_DIGITS,
            example="+4915112345678",
        ),
        Parameter(name="Currency", required=False, example="EUR"),
        Parameter(
            name="Value", type=ParameterType.NUMBER, required=False, example="19.90"
        ),
    ),
)

PRESETS = (LEAD, IVR_CALL, SEND_EMAIL, SEND_SMS, CONVERSION)
