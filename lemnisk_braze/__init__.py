"""The site: settings, the dashboard, groups, Celery, local servers, the demo."""

from lemnisk_braze.celery import app as celery_app

__all__ = ["celery_app"]
