"""What Braze's REST API promises and refuses, as plain values.

Each group names the page of Braze's documentation it comes from (paths below
braze.com/docs). `Evidence` says how sure we are: some answers were recorded from
live Braze, some sentences are known only from partners' code, and what no page
says is marked as inferred. Nothing here decides; the sandbox, the presets and the
checks read it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Evidence(StrEnum):
    DOCUMENTED = "documented"
    MEASURED = "measured"  # a live answer that somebody recorded
    THIRD_PARTY = "third party"  # another vendor's code or test data
    INFERRED = "inferred"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# --- Endpoints and permissions (api/basics, "REST API key permissions") -----------

TRACK = "/users/track"
TRACK_SYNC = "/users/track/sync"  # limited beta: one object, answered when applied
TRACK_BULK = "/users/track/bulk"  # limited beta: many objects, lower priority
EXPORT_IDS = "/users/export/ids"

PERMISSIONS = _words(
    """
    users.track users.track.sync users.track.bulk users.delete users.alias.new
    users.alias.update users.identify users.merge users.export.ids
    users.export.segment users.export.global_control_group users.external_ids.rename
    users.external_ids.remove
    email.unsubscribe email.status email.hard_bounces email.bounce.remove
    email.spam.remove email.blacklist
    messages.send messages.schedule.create messages.schedule.update
    messages.schedule.delete messages.schedule_broadcasts
    messages.live_activity.update
    campaigns.trigger.send campaigns.trigger.schedule.create
    campaigns.trigger.schedule.update campaigns.trigger.schedule.delete
    campaigns.list campaigns.details campaigns.data_series
    campaigns.url_info.details sends.data_series sends.id.create transactional.send
    canvas.trigger.send canvas.trigger.schedule.create canvas.trigger.schedule.update
    canvas.trigger.schedule.delete canvas.list canvas.data_series
    canvas.data_summary canvas.details canvas.url_info.details
    segments.list segments.data_series segments.details purchases.product_list
    purchases.revenue_series purchases.quantity_series events.list events.data_series
    sessions.data_series kpi.dau.data_series kpi.mau.data_series
    kpi.new_users.data_series kpi.uninstalls.data_series
    templates.email.create templates.email.info templates.email.list
    templates.email.update content_blocks.info content_blocks.list
    content_blocks.create content_blocks.update preference_center.get
    preference_center.list preference_center.update preference_center.user.get
    subscription.status.set subscription.status.get subscription.groups.get
    sms.invalid_phone_numbers sms.invalid_phone_numbers.remove
    catalogs.add_items catalogs.update_items catalogs.delete_items catalogs.get_item
    catalogs.update_item catalogs.create_item catalogs.delete_item
    catalogs.replace_item catalogs.create catalogs.get catalogs.delete
    catalogs.get_items catalogs.replace_items
    """
)

# --- Sizes of a request (api/api_limits; post_user_track; its bulk and sync pages) --

TRACK_ARRAYS = ("attributes", "events", "purchases")


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectLimit:
    """How many objects one request may carry: together, or in each array."""

    combined: int | None = None
    per_array: int | None = None
    per_user: int | None = None


OBJECT_LIMITS: Mapping[str, ObjectLimit] = MappingProxyType(
    {
        "combined_75": ObjectLimit(combined=75),  # the newest limits page
        "per_array_75": ObjectLimit(per_array=75),  # "legacy rate limits"
        "combined_50": ObjectLimit(combined=50),  # an older text, MAU CY 24-25 plans
        "combined_5": ObjectLimit(combined=5),  # announced on the partners' page
    }
)
DEFAULT_OBJECT_LIMIT = "combined_75"
BULK_OBJECT_LIMIT = ObjectLimit(combined=1000, per_user=100)
SYNC_OBJECT_LIMIT = ObjectLimit(combined=1)

# "4 MB" and "2 MB" on the pages; that they mean binary megabytes is inferred.
MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_BULK_BODY_BYTES = 2 * 1024 * 1024
MAX_EXPORT_IDS = 50

# --- Rates (api/api_limits; post_user_track, "Rate limit") -------------------------

BURST_REQUESTS = 3000
BURST_SECONDS = 3
# Hourly limits start again on the clock hour and do not slide.
HOURLY_REQUESTS = 250_000
HOUR_SECONDS = 3600
LIMIT_HEADER = "X-RateLimit-Limit"
REMAINING_HEADER = "X-RateLimit-Remaining"
RESET_HEADER = "X-RateLimit-Reset"
RETRY_AFTER_HEADER = "X-Ratelimit-Retry-After"
RATE_HEADERS = (LIMIT_HEADER, REMAINING_HEADER, RESET_HEADER)

# --- Identifiers (post_user_track, "Identifier resolution") ------------------------

PRIMARY_IDENTIFIERS = ("external_id", "user_alias", "braze_id")
SECONDARY_IDENTIFIERS = ("email", "phone")  # without a primary; email wins
IDENTIFIERS = PRIMARY_IDENTIFIERS + SECONDARY_IDENTIFIERS
MAX_EXTERNAL_ID_BYTES = 987
MAX_ALIAS_BYTES = 236

# --- Attributes (api/objects_filters/user_attributes_object) -----------------------

STANDARD_ATTRIBUTES: Mapping[str, str] = MappingProxyType(
    {
        "first_name": "string",
        "last_name": "string",
        "email": "string, validated",
        "phone": "string, E.164 recommended",
        "home_city": "string",
        "country": "ISO 3166-1 alpha-2; anything else becomes null",
        "language": "ISO 639-1",
        "gender": "M, F, O, N, P or null",
        "dob": "YYYY-MM-DD",
        "time_zone": "IANA or Rails name; anything else is ignored",
        "current_location": "object {longitude, latitude}",
        "date_of_first_session": "date",
        "date_of_last_session": "date",
        "marked_email_as_spam_at": "date",
        "email_subscribe": "opted_in, subscribed or unsubscribed",
        "push_subscribe": "opted_in, subscribed or unsubscribed",
        "email_open_tracking_disabled": "boolean",
        "email_click_tracking_disabled": "boolean",
        "push_tokens": "array of {app_id, token, device_id?}",
        "subscription_groups": "array of {subscription_group_id, subscription_state}",
        "facebook": "object {id, likes, num_friends}",
        "twitter": "object {id, screen_name, followers_count, …}",
        "image_url": "string",
    }
)
CONTROL_FLAGS = ("_update_existing_only", "_merge_objects", "push_token_import")
SUBSCRIPTION_STATES = frozenset({"opted_in", "subscribed", "unsubscribed"})
GROUP_STATES = frozenset({"subscribed", "unsubscribed"})
GENDERS = frozenset("MFONP")
DEVICE_ID_BYTES = range(8, 256)

# Custom attributes (user_guide/data/custom_data: data_types, custom_attributes,
# nested_custom_attribute_support, array_of_objects).
MAX_NAME_CHARS = 255
MAX_STRING_CHARS = 255
MAX_ARRAY_ITEMS = 500  # 25 by default and 100 at most in older texts
MAX_NESTED_BYTES = 100 * 1024  # 50 KB in older texts
NESTED_KEY_FORBIDDEN = frozenset(" .$")
OLDEST_YEAR, NEWEST_YEAR = 0, 3000

# --- Events and purchases (event_object; purchase_object) --------------------------

MAX_EVENT_PROPERTIES_BYTES = 100 * 1024
MAX_PURCHASE_PROPERTIES_BYTES = 50 * 1024
RESERVED_PROPERTIES = frozenset({"time", "event_name"})
MAX_PRODUCT_ID_CHARS = 255
MAX_QUANTITY = 100

# --- Why Braze refuses one object of a request (post_user_track, "Errors") ---------


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectError:
    """One entry of `errors[]`: the page lists codes, live answers carry sentences."""

    code: str
    sentence: str
    evidence: Evidence


def _measured(code: str, sentence: str) -> ObjectError:
    return ObjectError(code=code, sentence=sentence, evidence=Evidence.MEASURED)


def _third_party(code: str, sentence: str) -> ObjectError:
    return ObjectError(code=code, sentence=sentence, evidence=Evidence.THIRD_PARTY)


def _inferred(code: str, sentence: str) -> ObjectError:
    return ObjectError(code=code, sentence=sentence, evidence=Evidence.INFERRED)


IDENTIFIER_REQUIRED = _third_party(
    "", "'external_id', 'braze_id', 'user_alias', 'email' or 'phone' is required"
)
ONE_PRIMARY_IDENTIFIER = _measured(
    "", "You must specify only one of 'external_id', 'user_alias' or 'braze_id'"
)
BAD_EMAIL_SUBSCRIPTION_STATE = _measured(
    "BAD_EMAIL_SUBSCRIPTION_STATE",
    "'email_subscribe' must be 'subscribed', 'unsubscribed', or 'opted_in'",
)
BAD_PUSH_SUBSCRIPTION_STATE = _measured(
    "BAD_PUSH_SUBSCRIPTION_STATE",
    "'push_subscribe' must be 'subscribed', 'unsubscribed', or 'opted_in'",
)
EMAIL_BAD_FORMAT = _third_party(
    "EMAIL_BAD_FORMAT", "The value provided for the 'email' field is not a valid email."
)
EXTERNAL_USER_ID_TOO_LARGE = _third_party(
    "EXTERNAL_USER_ID_TOO_LARGE", "'external_id' must be fewer than 988 bytes"
)
BLACKLISTED_EXTERNAL_USER_ID = ObjectError(
    code="BLACKLISTED_EXTERNAL_USER_ID",
    sentence="provided external_id is blacklisted and disallowed",
    evidence=Evidence.DOCUMENTED,
)
QUANTITY_NOT_VALID = _third_party("", "'quantity' is not valid")

# The page gives a code or a rule for these, and nobody has published the sentence.
# Where there is a code we answer with the code; the rest follows 'quantity'.
BAD_DEVICE_ID = _inferred("BAD_DEVICE_ID", "BAD_DEVICE_ID")
BAD_LOCATION_UPDATE = _inferred("BAD_LOCATION_UPDATE", "BAD_LOCATION_UPDATE")
BAD_PUSH_TOKEN_APP_ID = _inferred("BAD_PUSH_TOKEN_APP_ID", "BAD_PUSH_TOKEN_APP_ID")
BAD_PUSH_TOKEN_IMPORT = _inferred("BAD_PUSH_TOKEN_IMPORT", "BAD_PUSH_TOKEN_IMPORT")
BAD_PUSH_TOKEN_STRING = _inferred("BAD_PUSH_TOKEN_STRING", "BAD_PUSH_TOKEN_STRING")
BAD_PUSH_TOKEN_VALUE = _inferred("BAD_PUSH_TOKEN_VALUE", "BAD_PUSH_TOKEN_VALUE")
BAD_SUBSCRIPTION_GROUP_ARRAY = _inferred(
    "BAD_SUBSCRIPTION_GROUP_ARRAY", "BAD_SUBSCRIPTION_GROUP_ARRAY"
)
BAD_SUBSCRIPTION_GROUP_HASH = _inferred(
    "BAD_SUBSCRIPTION_GROUP_HASH", "BAD_SUBSCRIPTION_GROUP_HASH"
)
BAD_SUBSCRIPTION_GROUP_ID = _inferred(
    "BAD_SUBSCRIPTION_GROUP_ID", "BAD_SUBSCRIPTION_GROUP_ID"
)
BAD_SUBSCRIPTION_GROUP_STATE = _inferred(
    "BAD_SUBSCRIPTION_GROUP_STATE", "BAD_SUBSCRIPTION_GROUP_STATE"
)
EMAIL_SUBSCRIPTION_INFO = _inferred(
    "INVALID_ATTRIBUTE_EMAIL_SUBSCRIPTION_INFO",
    "INVALID_ATTRIBUTE_EMAIL_SUBSCRIPTION_INFO",
)
ALIAS_NOT_VALID = _inferred("", "'user_alias' is not valid")
EXTERNAL_ID_NOT_VALID = _inferred("", "'external_id' is not valid")
NAME_REQUIRED = _inferred("", "'name' is required")
TIME_NOT_VALID = _inferred("", "'time' is not valid")
PROPERTIES_NOT_VALID = _inferred("", "'properties' is not valid")
PRODUCT_ID_NOT_VALID = _inferred("", "'product_id' is not valid")
CURRENCY_NOT_VALID = _inferred("", "'currency' is not valid")
PRICE_NOT_VALID = _inferred("", "'price' is not valid")

# --- Answers to a whole request (api/errors) ----------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class FatalAnswer:
    """A 4xx for the request as a whole: nothing of it is processed."""

    status: int
    text: str
    key: str = "message"
    evidence: Evidence = Evidence.DOCUMENTED


SUCCESS_STATUS = 201
SUCCESS_MESSAGE = "success"
QUEUED_MESSAGE = "queued"  # 202, in maintenance; on an older page only

BAD_JSON = FatalAnswer(
    status=400,
    key="error",
    text="Error while parsing request body. Please check your syntax.",
)
# The status is from Braze's .NET client's tests; the same for an empty body: inferred.
NO_VALID_DATA = FatalAnswer(
    status=400,
    text="Valid data must be provided in the 'attributes', 'events', or 'purchases' fields.",
    evidence=Evidence.THIRD_PARTY,
)
MAX_INPUT_LENGTH = FatalAnswer(status=400, text="Max Input Length Exceeded")
TOO_MANY_IDS = FatalAnswer(
    status=400, text="The max number of ids per request was exceeded"
)
# A live 401 repeats the key after this text: whoever logs it has to redact it.
INVALID_API_KEY = FatalAnswer(
    status=401, text="Invalid API key: ", evidence=Evidence.MEASURED
)
# The page names these errors; that the name is the body's message is inferred.
ACCESS_DENIED = FatalAnswer(
    status=403, text="Access Denied", evidence=Evidence.INFERRED
)
INVALID_URL = FatalAnswer(status=404, text="Invalid URL", evidence=Evidence.THIRD_PARTY)
BODY_TOO_LARGE = FatalAnswer(
    status=413, text="Request Entity Too Large", evidence=Evidence.INFERRED
)
BULK_BODY_TOO_LARGE = FatalAnswer(
    status=400, text="Request Entity Too Large", evidence=Evidence.INFERRED
)
WRONG_CONTENT_TYPE = FatalAnswer(
    status=415, text="Unsupported Media Type", evidence=Evidence.INFERRED
)
RATE_LIMITED = FatalAnswer(status=429, text="Rate Limited", evidence=Evidence.INFERRED)

# --- Code lists the attribute rules refer to -----------------------------------------

COUNTRIES = _words(
    """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN
    BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ
    DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL
    GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM
    JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME
    MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP
    NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD
    SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO
    TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
    """
)

# "Australia" becomes AU: the page calls the mapping best effort and lists no names,
# so which these are is inferred.
COUNTRY_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "argentina": "AR",
        "australia": "AU",
        "austria": "AT",
        "belgium": "BE",
        "brazil": "BR",
        "canada": "CA",
        "chile": "CL",
        "china": "CN",
        "colombia": "CO",
        "czech republic": "CZ",
        "denmark": "DK",
        "finland": "FI",
        "france": "FR",
        "germany": "DE",
        "greece": "GR",
        "india": "IN",
        "indonesia": "ID",
        "ireland": "IE",
        "israel": "IL",
        "italy": "IT",
        "japan": "JP",
        "malaysia": "MY",
        "mexico": "MX",
        "netherlands": "NL",
        "new zealand": "NZ",
        "norway": "NO",
        "philippines": "PH",
        "poland": "PL",
        "portugal": "PT",
        "saudi arabia": "SA",
        "singapore": "SG",
        "south africa": "ZA",
        "south korea": "KR",
        "spain": "ES",
        "sweden": "SE",
        "switzerland": "CH",
        "thailand": "TH",
        "turkey": "TR",
        "united arab emirates": "AE",
        "united kingdom": "GB",
        "uk": "GB",
        "united states": "US",
        "united states of america": "US",
        "usa": "US",
        "vietnam": "VN",
    }
)

LANGUAGES = _words(
    """
    aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs
    cu cv cy da de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha
    he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn
    ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb
    nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd
    se sg si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw
    ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
    """
)

CURRENCIES = _words(
    """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD
    BTC BTN BWP BYN BYR BZD CAD CDF CHF CLF CLP CNY COP CRC CUC CUP CVE CZK DJF DKK DOP
    DZD EEK EGP ERN ETB EUR FJD FKP GBP GEL GGP GHS GIP GMD GNF GTQ GYD HKD HNL HRK HTG
    HUF IDR ILS IMP INR IQD IRR ISK JEP JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT
    LAK LBP LKR LRD LSL LTL LVL LYD MAD MDL MGA MKD MMK MNT MOP MRO MRU MTL MUR MVR MWK
    MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB
    RWF SAR SBD SCR SDG SEK SGD SHP SLE SLL SOS SRD SSP STD STN SVC SYP SZL THB TJS TMT
    TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VEF VES VND VUV WST XAF XAG XAU XCD
    XDR XOF XPD XPF XPT YER ZAR ZMK ZMW ZWL
    """
)


def identifiers_of(attributes: Collection[str]) -> tuple[str, ...]:
    """Which of an object's names say whose it is: beside an id an email is a value."""
    primary = tuple(name for name in PRIMARY_IDENTIFIERS if name in attributes)
    return primary or tuple(n for n in SECONDARY_IDENTIFIERS if n in attributes)
