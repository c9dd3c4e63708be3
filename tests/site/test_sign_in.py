"""Who is in a group signs in; who is in none reads why not."""

import pytest
from django.contrib.auth.models import Group, User

pytestmark = pytest.mark.django_db
PASSWORD = "correct-horse-battery"


def sign_in(client, username="mia", password=PASSWORD):
    form = {"username": username, "password": password}
    return client.post("/admin/login/", form, follow=True)


def test_a_new_user_in_a_group_signs_in(admin_client, client):
    marketer = Group.objects.get(name="Marketer")
    form = {
        "username": "mia",
        "password1": PASSWORD,
        "password2": PASSWORD,
        "usable_password": "true",
        "groups": [marketer.pk],
    }
    page = admin_client.post("/admin/auth/user/add/", form, follow=True)
    assert page.status_code == 200
    client.logout()
    answer = sign_in(client)
    assert answer.redirect_chain
    assert "External APIs" in answer.text


@pytest.mark.parametrize("way", ["user", "group", "set"])
def test_each_way_into_a_group_lets_in(client, way):
    user = User.objects.create_user("mia", password=PASSWORD)
    group = Group.objects.get(name="Analyst")
    if way == "user":
        user.groups.add(group)
    elif way == "group":
        group.user_set.add(user)
    else:
        user.groups.set([group])
    assert "External APIs" in sign_in(client).text


def test_who_is_in_no_group_is_told_so(client):
    User.objects.create_user("mia", password=PASSWORD)
    assert "you are in no group yet" in sign_in(client).text


def test_with_a_wrong_password_nothing_is_said_of_the_groups(client):
    User.objects.create_user("mia", password=PASSWORD)
    page = sign_in(client, password="wrong").text
    assert "The username or the password is not right" in page
    assert "you are in no group" not in page


def test_a_superuser_made_on_the_page_signs_in(admin_client, client):
    user = User.objects.create_user("mia", password=PASSWORD)
    form = {"username": "mia", "is_active": "on", "is_superuser": "on"}
    admin_client.post(f"/admin/auth/user/{user.pk}/change/", form)
    client.logout()
    assert "External APIs" in sign_in(client).text


def test_an_administrator_is_told_of_a_user_without_a_group(admin_client):
    user = User.objects.create_user("mia", password=PASSWORD)
    form = {"username": "mia", "is_active": "on"}
    url = f"/admin/auth/user/{user.pk}/change/"
    assert "is in no group" in admin_client.post(url, form, follow=True).text
