"""Whether time alone moves people, and by which conditions, said on the page."""

import pytest

from segments.life import natures
from segments.life.natures import Nature
from tests import factories
from tests.pages import words

pytestmark = pytest.mark.django_db

PUNE = {"attribute": "city", "is": "equals", "value": "Pune"}
EVER = {"event": "Lead", "at_least": 1}
LATELY = {"event": "Sale", "at_least": 1, "within_days": 30}
FRESH = {"attribute": "joined", "is": "in_last_days", "value": 7}


def test_what_only_people_and_events_change_is_real_time():
    told = natures.of(factories.make_segment(rule={"all": [PUNE, EVER]}))
    assert (told.nature, told.by_time, told.counted) == (Nature.REAL_TIME, [], [])


def test_windows_and_dates_change_by_time():
    rule = {"all": [PUNE, {"any": [LATELY, {"not": FRESH}]}]}
    segment = factories.make_segment(rule=rule)
    told = natures.of(segment)
    assert told.nature == Nature.BY_TIME
    assert told.by_time == ["Did “Sale” at least 1 time in the last 30 days"]
    assert len(told.counted) == 1
    assert told.counted[0].startswith("Joined")


def test_the_page_says_so(admin_client):
    segment = factories.make_segment(rule={"any": [LATELY, FRESH]})
    page = words(admin_client.get(segment.get_absolute_url()))
    assert "Real-time, and by time." in page
    assert "followed within about a minute" in page
    assert "counted for them every 15 minutes" in page
    wrong = factories.make_segment(rule={"broken": 1})
    assert admin_client.get(wrong.get_absolute_url()).status_code == 200
