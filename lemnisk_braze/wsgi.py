"""The web server's way in: `gunicorn lemnisk_braze.wsgi`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lemnisk_braze.settings")

application = get_wsgi_application()
