"""Who may not see people reads numbers where others read names; walked page by page."""

import pytest
from django.urls import reverse

from engagements.models import Delivery
from lemnisk_braze import groups
from segments.models import Profile
from tests import factories
from tests.security.test_permissions import pages
from tests.site.world import World

pytestmark = pytest.mark.django_db

SHY = ("shy-id", "shy@example.com", "+4915112345678", "Shyname")
REASON = "template_error: “email”: shy@example.com is too long."


@pytest.fixture
def world():
    world = World()
    person = world.rows[Profile]
    Profile.objects.filter(pk=person.pk).update(
        external_id=SHY[0],
        email=SHY[1],
        phone=SHY[2],
        attributes={"first_name": SHY[3]},
    )
    Delivery.objects.update(reason=REASON)
    return world


@pytest.fixture
def blind(client):
    """May do all but see people."""
    everything = groups.EVERYTHING - {"segments.view_profile"}
    client.force_login(factories.make_user(*everything))
    return client


def naming(client, world) -> set[str]:
    """The pages on which the person is named in any way."""
    urls = {page: url for page, (url, _) in pages(world).items()}
    urls["search by ID"] = reverse("admin:search") + f"?s={SHY[0]}"
    named = set()
    for page, url in urls.items():
        answer = client.get(url)
        text = b"".join(answer).decode()
        # What was typed is said again: it is no news.
        text = text.replace(f"“{SHY[0]}”", "")
        if any(word in text for word in SHY):
            named.add(page)
    return named


def test_nobody_is_named_to_who_may_not_see_people(blind, world):
    assert naming(blind, world) == set()


def test_the_same_pages_name_them_to_others(admin_client, world):
    assert naming(admin_client, world) >= {
        "engagements_delivery_changelist",
        "engagements_delivery_change",
        "engagements_delivery_export",
        "engagements_batch_change",
        "segments_event_changelist",
        "segments_event_change",
        "segments_profile_changelist",
        "segments_segment_change",
        "search by ID",
    }


def test_the_lists_name_people_by_number_and_tell_two_apart(blind, world):
    person = world.rows[Profile]
    for page in ("engagements_delivery", "segments_event"):
        text = blind.get(reverse(f"admin:{page}_changelist")).text
        assert f"Person {person.pk}" in text
    delivery = blind.get(world.url("engagements_delivery_change")).text
    assert f"Person {person.pk}" in delivery
    assert "A value could not be worked out" in delivery
    assert person.get_absolute_url() not in delivery
    assert (
        f"Person {person.pk}" in blind.get(world.url("engagements_batch_change")).text
    )


@pytest.mark.parametrize(
    ("query", "status"),
    [(f"q={SHY[0]}", 200), (f"q={SHY[1]}", 200), (f"why={SHY[1]}", 400)],
)
@pytest.mark.parametrize("is_theirs", [True, False])
def test_no_question_to_the_list_tells_whether_somebody_is_in_it(
    blind, world, query, status, is_theirs
):
    if not is_theirs:
        Profile.objects.update(external_id="other", email="other@example.com")
        Delivery.objects.update(reason="")
    url = reverse("admin:engagements_delivery_changelist")
    page = blind.get(f"{url}?{query}", follow=True)
    assert page.status_code == status
    assert (f"Person {world.rows[Profile].pk}" in page.text) is (status == 200)
