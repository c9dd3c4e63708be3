"""The pages of frequency caps: what they take, and what they say."""

import pytest

from engagements.models import FrequencyCap
from tests import factories

pytestmark = pytest.mark.django_db

ADD = "/admin/engagements/frequencycap/add/"
TYPED = {
    "name": "Two a week",
    "is_active": "on",
    "channel": "",
    "segment": "",
    "engagement": "",
    "most": "2",
    "every": "1",
    "period": "week",
    "window": "rolling",
    "zone_attribute": "",
    "time_zone": "UTC",
    "kept": "0",
}


def test_a_cap_is_added_and_said_in_words(admin_page):
    page = admin_page.post(ADD, TYPED, follow=True)
    assert FrequencyCap.objects.get().in_words == "at most 2 a week"
    text = page.content.decode()
    assert "All Engagements" in text
    assert "At most 2 a week" in text


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ({"most": "0"}, "Enter a number between 1 and 1,000."),
        ({"most": "-1"}, "Enter a number between 1 and 1,000."),
        ({"most": "1001"}, "Enter a number between 1 and 1,000."),
        ({"every": "0"}, "Enter a number between 1 and 31."),
        ({"every": "32"}, "Enter a number between 1 and 31."),
        ({"kept": "-1"}, "Enter 0 or more."),
        ({"kept": "2"}, "Fewer than all of them can be kept."),
        ({"time_zone": "Berlin"}, "There is no time zone “Berlin”."),
        ({"name": " "}, "This field is required."),
    ],
)
def test_a_mistake_stands_at_its_field(admin_page, typed, message):
    page = admin_page.post(ADD, {**TYPED, **typed})
    assert message in page.content.decode()
    assert not FrequencyCap.objects.exists()


def test_a_cap_is_of_a_segment_or_of_an_engagement(admin_page):
    engagement = factories.make_engagement()
    both = {"engagement": engagement.pk, "segment": engagement.segment_id}
    page = admin_page.post(ADD, {**TYPED, **both})
    assert "or of one Engagement" in page.content.decode()
    assert not FrequencyCap.objects.exists()


def test_what_is_left_open_says_that_it_is_all_of_them(admin_page):
    page = admin_page.get(ADD).content.decode()
    for words in ("Every channel", "Every segment", "All Engagements together"):
        assert words in page
    assert "Select value" not in page


def test_the_form_calls_a_cap_as_the_list_does(admin_page):
    FrequencyCap.objects.create(name="Two a week", most=2)
    assert "Active" in admin_page.get(ADD.removesuffix("add/")).content.decode()
    form = admin_page.get(ADD).content.decode()
    assert "Active" in form
    assert "In force" not in form
