"""The Celery application: `celery -A lemnisk_braze worker` and `beat`."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lemnisk_braze.settings")

app = Celery("lemnisk_braze")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
