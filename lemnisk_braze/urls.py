from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from lemnisk_braze.dashboard.search import search_view
from lemnisk_braze.health import healthz

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    # In the place of the theme's own, which knows no people.
    path("admin/search/", admin.site.admin_view(search_view)),
    path("admin/", admin.site.urls),
    path("healthz", healthz, name="healthz"),
    path("", include("segments.tracking.urls")),
]

handler400 = "lemnisk_braze.errors.bad_request"
handler403 = "lemnisk_braze.errors.permission_denied"
handler404 = "lemnisk_braze.errors.page_not_found"
handler500 = "lemnisk_braze.errors.server_error"
