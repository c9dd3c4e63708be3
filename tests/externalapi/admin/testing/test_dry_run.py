"""A dry run shows the very request, and sends nothing."""

import json

import pytest
from django.urls import reverse

from externalapi.models import ConfigurationTest
from tests.factories import make_version, parameter
from tests.pages import words

BODY = """{"attributes": [{"external_id": {{User ID}}, "age": {{Age}}, "plan": {{Plan}}}],
 "events": [{"external_id": {{User ID}}, "name": "x", "time": {{At}}}]}"""
PARAMETERS = [
    parameter("User ID", level="identifier"),
    parameter("Age", type="integer", required=False),
    parameter("Plan", default="free"),
    parameter("At", type="datetime"),
]
VALUES = {"p0": "u-1", "p1": "", "p2": "", "p3": "2025-01-31T09:30:00Z"}


@pytest.fixture
def version(braze):
    return make_version(BODY, PARAMETERS, connection=braze)


def page_of(version):
    return reverse("admin:externalapi_externalapi_test", args=[version.external_api_id])


def dry(admin_client, version, **values):
    answer = admin_client.post(page_of(version), VALUES | {"_dry_run": ""} | values)
    assert answer.status_code == 200
    return answer


def test_nothing_is_sent_and_nothing_is_on_record(admin_client, version, sandbox):
    text = dry(admin_client, version).content.decode()
    assert "Nothing was sent." in text
    assert sandbox.requests() == []
    assert not ConfigurationTest.objects.exists()


def test_it_is_the_request_that_is_sent_afterwards(admin_client, version, sandbox):
    shown = dry(admin_client, version).context["would_send"].request
    admin_client.post(page_of(version), VALUES)
    assert ConfigurationTest.objects.get().request == shown
    assert json.loads(shown["body"])["attributes"][0]["plan"] == "free"
    assert shown["size"] == len(shown["body"])


def test_the_key_is_masked(admin_client, version, sandbox):
    answer = dry(admin_client, version)
    assert sandbox.key not in answer.content.decode()
    assert "Bearer ••••" in answer.content.decode()


def test_it_says_what_is_left_out_and_what_steps_in(admin_client, version):
    answer = dry(admin_client, version)
    found = answer.context["would_send"]
    assert [p.name for p in found.left_out] == ["Age"]
    assert [p.name for p in found.defaults] == ["Plan"]
    assert '"age"' not in found.request["body"]
    assert '"plan":"free"' in found.request["body"]
    text = words(answer)
    assert "Age (no value and no default: the key is not sent)" in text
    assert "Plan: free" in text


def test_it_counts_objects_and_the_people_who_share_a_request(admin_client, version):
    answer = dry(admin_client, version)
    assert answer.context["would_send"].objects == (("attributes", 1), ("events", 1))
    text = words(answer)
    assert "1 in attributes, 1 in events" in text
    # Two objects a person, 75 a request.
    assert "Up to 37 people share one request." in text


def test_without_batching_nobody_shares(admin_client, version):
    version.batch_arrays = []
    version.save()
    text = dry(admin_client, version).content.decode()
    assert "Each person gets a request of their own." in text


def test_mistakes_stop_a_dry_run_as_they_stop_a_test(admin_client, version):
    answer = dry(admin_client, version, p1="old")
    assert "would_send" not in answer.context or answer.context["would_send"] is None
    assert "“old” is not a whole number." in answer.content.decode()


def test_dry_runs_are_not_counted(admin_client, version):
    for _ in range(12):
        dry(admin_client, version)
    assert admin_client.post(page_of(version), VALUES).status_code == 302
