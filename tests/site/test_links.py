"""Every link of the site's own pages leads somewhere."""

import re
from html import unescape
from urllib.parse import urljoin, urlsplit

import pytest

from engagements.delivery import loop
from engagements.lifecycle import transitions
from engagements.models import Delivery
from engagements.recovery import retry_failed
from tests import factories
from tests.site.world import World

pytestmark = pytest.mark.django_db

HREF = re.compile(r'href="([^"#]+)')
# Leaves the site, or ends the session.
NOT_FOLLOWED = ("/static/", "/admin/logout/", "http:", "https:", "mailto:")


def test_every_link_of_a_page_leads_to_a_page(client, braze):
    World()
    tried_again(braze)
    client.force_login(factories.make_admin())
    waiting, seen, broken = ["/admin/"], {"/admin/"}, {}
    while waiting:
        url = waiting.pop(0)
        answer = client.get(url, follow=True)
        if answer.status_code >= 400:
            broken[url] = answer.status_code
        text = b"".join(answer).decode(errors="replace")
        for href in HREF.findall(text):
            found = urljoin(url, unescape(href))
            # A list's own orders and filters have no end; other tests go through them.
            is_its_own = urlsplit(found).path == urlsplit(url).path
            is_new = found not in seen and not is_its_own
            if is_new and not found.startswith(NOT_FOLLOWED):
                seen.add(found)
                waiting.append(found)
    assert broken == {}
    assert len(seen) > 100


def tried_again(braze) -> None:
    """An engagement of which somebody failed and was tried again."""
    engagement = factories.make_engagement(
        factories.make_segment([factories.make_profile(external_id=None)]),
        factories.make_version(connection=braze),
        includes_present=True,
    )
    transitions.activate(engagement)
    loop.work()
    assert Delivery.objects.filter(state="skipped").exists()
    retry_failed.retry(Delivery.objects.filter(state="skipped"))
    loop.work()
