import pytest
from django.contrib.auth.models import Permission, User


@pytest.fixture
def user_with(db):
    """A member of the staff with permissions, by their code names."""

    def make(*codenames: str) -> User:
        user = User.objects.create_user("someone", password="x", is_staff=True)
        found = Permission.objects.filter(
            content_type__app_label="externalapi", codename__in=codenames
        )
        assert found.count() == len(codenames)
        user.user_permissions.set(found)
        return user

    return make
