"""Search Users, profiles and requests, as a browser gets them."""

from html.parser import HTMLParser
from http.client import RemoteDisconnected

import pytest

from tests.externalapi.vendors.braze.sandbox.people import attributes, event, purchase

MARKUP = "<script>alert('x')</script>"
VOID = {"br", "meta", "link", "input"}


class Outline(HTMLParser):
    """The texts of a page, its elements, and whether they are closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.texts, self.links = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "a":
            self.links.append(dict(attrs)["href"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def outline(sandbox, path):
    answer = sandbox.call("GET", path)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    page = Outline()
    page.feed(answer.body.decode())
    page.close()
    assert page.open == []
    return page


def profile_of(sandbox, external_id):
    return f"/users/{sandbox.user(external_id)['braze_id']}"


def found(sandbox, query):
    page = outline(sandbox, f"/search-users?q={query}")
    return [text for text in page.texts if text in {"Ada", "Bob", "anon"}]


def test_the_address_itself_leads_to_search_users(sandbox):
    answer = sandbox.call("GET", "/")
    assert (answer.status, answer.headers["Location"]) == (302, "/search-users")


def test_an_empty_sandbox_says_what_to_do(sandbox):
    texts = " ".join(outline(sandbox, "/search-users").texts)
    assert "No user yet" in texts
    assert "Test Configuration" in texts


@pytest.mark.parametrize(
    "path",
    [
        "/search-users",
        "/search-users?q=ada",
        "/requests",
        "/requests/1",
        "/sandbox/catalogs",
        "profile",
    ],
)
def test_every_page_says_that_it_is_not_braze_and_needs_no_script(sandbox, path):
    sandbox.track({"attributes": [attributes(first_name="Ada")]})
    if path == "profile":
        path = profile_of(sandbox, "ada")
    page = outline(sandbox, path)
    assert "Braze sandbox" in page.texts
    assert any("It is not Braze" in text for text in page.texts)
    tags = [tag for tag, _ in page.tags]
    assert "script" not in tags
    assert not any("style" in attrs for _, attrs in page.tags)
    assert tags.count("h1") == tags.count("main") == tags.count("header") == 1
    policy = sandbox.call("GET", path).headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("ada-1", ["Ada"]),
        ("ADA@example.com", ["Ada"]),
        ("%2B44%2020%207123%204567", ["Ada"]),
        ("ada", ["Ada"]),  # the beginning of two identifiers, found once
        ("bob@", ["Bob"]),
        ("Alias-9", ["anon"]),
        ("Ali", ["anon"]),
        ("da-1", []),
        ("nobody", []),
    ],
)
def test_people_are_found(sandbox, query, names):
    alias = {"alias_name": "Alias-9", "alias_label": "web"}
    sandbox.track(
        {
            "attributes": [
                attributes("ada-1", first_name="Ada", email="ada@example.com"),
                attributes("ada-1", phone="+442071234567"),
                attributes("7", first_name="Bob", email="bob@example.com"),
                {
                    "user_alias": alias,
                    "first_name": "anon",
                    "_update_existing_only": False,
                },
            ]
        }
    )
    assert found(sandbox, query) == names


def test_people_are_found_by_braze_id(sandbox):
    sandbox.track({"attributes": [attributes(first_name="Ada"), attributes("b")]})
    assert found(sandbox, sandbox.user("ada")["braze_id"]) == ["Ada"]


def test_at_most_twenty_are_listed(sandbox):
    people = [attributes(f"p{n:02}") for n in range(30)]
    sandbox.track({"attributes": people})
    page = outline(sandbox, "/search-users?q=p")
    assert len([link for link in page.links if link.startswith("/users/")]) == 20


def test_nobody_found_says_how_search_works(sandbox):
    sandbox.track({"attributes": [attributes()]})
    texts = " ".join(outline(sandbox, "/search-users?q=nobody").texts)
    assert "Nobody found" in texts
    assert "The beginning of an identifier is enough." in texts


def test_markup_is_shown_as_text_everywhere(sandbox):
    sandbox.track(
        {
            "attributes": [
                attributes(
                    MARKUP, first_name=MARKUP, **{MARKUP: MARKUP, "list": [MARKUP]}
                )
            ],
            "events": [event(MARKUP, name=MARKUP, properties={MARKUP: MARKUP})],
            "purchases": [purchase(MARKUP, product_id=MARKUP)],
        }
    )
    for path in (
        "/search-users",
        "/search-users?q=%3Cscript%3E",
        "/search-users?q=%22%3E%3Cscript%3E",
        profile_of(sandbox, MARKUP),
    ):
        page = outline(sandbox, path)
        assert "script" not in [tag for tag, _ in page.tags]
        assert "<script>" in "".join(page.texts) or "%22" in path


def test_a_profile_shows_everything_about_a_person(sandbox):
    sandbox.track(
        {
            "attributes": [
                attributes(
                    first_name="Ada",
                    email="ada@example.com",
                    dob="1990-12-10",
                    score=42,
                    score_text="42",
                    vip=True,
                    nothing="",
                    address={"city": "London"},
                )
            ],
            "events": [event(name="ordered", properties={"sku": "tea"}), event()],
            "purchases": [purchase(quantity=2)],
        }
    )
    page = outline(sandbox, profile_of(sandbox, "ada"))
    for text in (
        "Ada",
        "ada@example.com",
        "Date of birth",
        "42",
        "true",
        "empty text",
        '{"city":"London"}',
        "ordered",
        '{"sku":"tea"}',
        "02 Jan 2026, 03:04:05",
        "tea",
        "4.50 EUR",
        "9.00",
    ):
        assert text in page.texts
    numbers = [attrs for tag, attrs in page.tags if tag == "code"]
    assert len(numbers) == 2  # 42 and true; "42" is a text


def test_a_profile_that_does_not_exist(sandbox):
    answer = sandbox.call("GET", "/users/" + "0" * 24)
    assert answer.status == 404
    assert b"No such user" in answer.body


def test_requests_are_listed_newest_first(sandbox):
    assert "No request yet" in outline(sandbox, "/requests").texts
    sandbox.track({"attributes": [attributes(), {}]})
    sandbox.faults([{"kind": "status", "status": 503}])
    sandbox.track({"attributes": [attributes()]})
    texts = outline(sandbox, "/requests").texts
    assert texts.index("503") < texts.index("201")
    assert any("or 'phone' is required" in text for text in texts)
    assert "Fault: status" in texts


def request_text(sandbox, number):
    return " ".join(outline(sandbox, f"/requests/{number}").texts)


def test_a_request_is_shown_with_body_and_answer(sandbox):
    sandbox.track({"attributes": [attributes(first_name=MARKUP), {}]})
    assert "/requests/1" in outline(sandbox, "/requests").links
    text = request_text(sandbox, 1)
    assert "POST /users/track" in text
    assert '"first_name": "<script>' in text
    assert '"attributes_processed": 1' in text
    assert "2 objects sent, 1 accepted" in text
    page = "https://www.braze.com/docs/api/endpoints/user_data/post_user_track"
    assert page in outline(sandbox, "/requests/1").links


def test_no_page_shows_a_key(sandbox):
    secret = "secret-key-4711"
    headers = {"Authorization": f"Bearer {secret}"}
    body = {"attributes": [attributes()], "api_key": secret}
    sandbox.call("POST", "/users/track", body, headers)
    sandbox.call("POST", "/users/track", {**body, "api_key": "short"}, {})
    shown = request_text(sandbox, 1)
    assert secret not in shown
    assert "Invalid API key: …4711" in shown
    assert '"message": "Invalid API key: "' in request_text(sandbox, 2)
    assert "short" not in request_text(sandbox, 2)
    page = sandbox.call("GET", "/requests").body.decode()
    assert secret not in page
    assert sandbox.key not in page


def test_who_a_request_was_for(sandbox):
    people = [f"p{n}" for n in range(5)]
    sandbox.track({"attributes": [attributes(name) for name in people]})
    group = {"subscription_group_id": "x", "external_ids": people[:2]}
    sandbox.track({"subscription_groups": [group]}, "/v2/subscription/status/set")
    texts = outline(sandbox, "/requests").texts
    assert "p0, p1, p2 and 2 more" in texts
    assert "p0, p1" in texts


def test_a_request_that_a_fault_ended(sandbox):
    sandbox.faults([{"kind": "status", "status": 503}, {"kind": "close_before"}])
    sandbox.track({"attributes": [attributes()]})
    with pytest.raises(RemoteDisconnected):
        sandbox.track({"attributes": [attributes()]})
    assert "The fault answered instead." in request_text(sandbox, 1)
    assert "It got no answer." in request_text(sandbox, 2)


def test_a_long_body_is_cut_off(sandbox):
    sandbox.track({"attributes": [attributes(text="a" * 100_000)]})
    text = request_text(sandbox, 1)
    assert "Long texts are cut off below." in text
    assert len(text) < 70_000


def test_only_the_latest_requests_can_be_read(sandbox):
    for _ in range(101):
        sandbox.track({})
    assert sandbox.call("GET", "/requests/1").status == 404
    assert sandbox.call("GET", "/requests/2").status == 200
    assert sandbox.call("GET", "/requests/101").status == 200
    for number in (0, 102):
        answer = sandbox.call("GET", f"/requests/{number}")
        assert (answer.status, b"No such request" in answer.body) == (404, True)


@pytest.mark.parametrize(
    ("path", "content_type"),
    [("/sandbox/pages.css", "text/css"), ("/sandbox/icon.svg", "image/svg+xml")],
)
def test_styles_come_from_the_sandbox_itself(sandbox, path, content_type):
    answer = sandbox.call("GET", path)
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith(content_type)
    assert b"http://" not in answer.body.replace(b"http://www.w3.org/2000/svg", b"")


def test_search_users_is_in_the_menu_audience(sandbox):
    page = sandbox.call("GET", "/search-users").body.decode()
    menu = page.split("<summary>Audience</summary>")[1].split("</details>")[0]
    assert "Search Users" in menu
