"""The web server's way in: `granian --interface wsgi lemnisk_braze.wsgi:application`."""

import os

from django.core.wsgi import get_wsgi_application

from lemnisk_braze.lib import logs

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lemnisk_braze.settings")

application = get_wsgi_application()
logs.take_over()
