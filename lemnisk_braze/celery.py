"""The Celery application: `celery -A lemnisk_braze worker` and `beat`."""

import os
from logging.config import dictConfig

from celery import Celery
from celery.signals import celeryd_init, setup_logging
from django.conf import settings

from lemnisk_braze.lib import logs

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lemnisk_braze.settings")

app = Celery("lemnisk_braze")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


# A worker warns of things before it sets up its log.
@celeryd_init.connect
@setup_logging.connect
def _set_up_logging(**kwargs: object) -> None:
    """Celery's own lines look like all others, and LOG_LEVEL counts for them too."""
    dictConfig(settings.LOGGING)
    logs.take_over()
