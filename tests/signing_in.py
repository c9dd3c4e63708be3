"""Who a test client is, without signing in.

Django's signs in as the page does: 18 statements, a log of it, 17 milliseconds of work.
Here the session alone is written, as they leave it.
"""

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client


def force_login(client: Client, user: User, backend: str | None = None) -> None:
    """In the place of Django's; `backend`: by which they have signed in."""
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = backend or client._get_backend()  # type: ignore[attr-defined]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    client.cookies[settings.SESSION_COOKIE_NAME] = str(session.session_key)
