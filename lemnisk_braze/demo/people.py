"""Made-up people and what they did, sent in as a website would: through Segment's SDK."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from segment.analytics.client import Client

LEAD = "Lead form submitted"
VIEW = "Product viewed"

FIRST_NAMES = (
    "Aarav Ananya Arjun Diya Ishaan Kavya Meera Rohan Saanvi Vihaan "
    "Emma Liam Noah Olivia Mia Lucas Zoe Hugo Lena Jonas"
).split()
LAST_NAMES = "Sharma Patel Iyer Khan Reddy Müller Rossi Dubois Novak Jensen".split()
CITIES = "Mumbai Pune Bengaluru Delhi Chennai Berlin Lyon Milan".split()
PRODUCTS = "home-loan gold-card travel-cover savings-plus car-loan".split()
# All of it happened in the days before this, so that a second start repeats nothing.
FIRST_DAY_AGO = timedelta(days=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """One made-up person; the same number is the same person at every start."""

    number: int
    is_lead: bool

    @property
    def external_id(self) -> str:
        return f"{'lead' if self.is_lead else 'visitor'}-{self.number:05d}"

    @property
    def first_name(self) -> str:
        return FIRST_NAMES[self.number % len(FIRST_NAMES)]

    @property
    def last_name(self) -> str:
        return LAST_NAMES[self.number // len(FIRST_NAMES) % len(LAST_NAMES)]

    @property
    def traits(self) -> dict[str, object]:
        name = f"{self.first_name}.{self.last_name}".lower().replace("ü", "ue")
        return {
            "email": f"{name}.{self.number}@example.com",
            "first_name": self.first_name,
            "last_name": self.last_name,
            "city": CITIES[self.number % len(CITIES)],
        }

    @property
    def event(self) -> str:
        return LEAD if self.is_lead else VIEW

    @property
    def properties(self) -> dict[str, object]:
        return {"product_id": PRODUCTS[self.number % len(PRODUCTS)], "form": "website"}


def visitors(leads: int, others: int) -> Iterator[Visitor]:
    """`leads` people who submitted the form, and `others` who only looked."""
    yield from (Visitor(number=n, is_lead=True) for n in range(leads))
    yield from (Visitor(number=n, is_lead=False) for n in range(others))


def send_in(
    address: str, write_key: str, people: Iterator[Visitor], now: datetime
) -> int:
    """Identify and track everybody through the tracking API; return the messages.

    The messages' ids are the people's own, so sending them again changes nothing.
    """
    client = Client(
        write_key, host=address, max_queue_size=100_000, upload_size=100, thread=4
    )
    first_day = now.astimezone(UTC) - FIRST_DAY_AGO
    count = 0
    for person in people:
        at = first_day + timedelta(minutes=person.number % 10_000)
        count += _tell(client, person, at)
    client.flush()
    client.join()
    return count


def send_in_one(address: str, write_key: str, person: Visitor, now: datetime) -> None:
    """The same for one person just now; returns when the tracking API has answered."""
    _tell(Client(write_key, host=address, sync_mode=True), person, now)


def _tell(client: Client, person: Visitor, at: datetime) -> int:
    identify, track = f"identify-{person.external_id}", f"track-{person.external_id}"
    client.identify(person.external_id, person.traits, message_id=identify)
    client.track(
        person.external_id,
        person.event,
        person.properties,
        timestamp=at,
        message_id=track,
    )
    return 2
