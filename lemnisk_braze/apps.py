from django.apps import AppConfig, apps
from django.contrib.admin import apps as admin_apps
from django.db.models.signals import m2m_changed, post_migrate, pre_migrate


class LemniskBrazeConfig(AppConfig):
    name = "lemnisk_braze"
    default = True

    def ready(self) -> None:
        from lemnisk_braze import checks, field_words, groups

        checks.register()
        field_words.register()
        # This app has no models and so no signal of its own; auth holds the groups.
        auth = apps.get_app_config("auth")
        pre_migrate.connect(
            groups.note_permissions,
            sender=auth,
            dispatch_uid="lemnisk_braze.permissions",
        )
        post_migrate.connect(
            groups.create_groups,
            sender=auth,
            dispatch_uid="lemnisk_braze.groups",
        )
        user = apps.get_model("auth", "User")
        m2m_changed.connect(
            groups.let_in,
            sender=user.groups.through,
            dispatch_uid="lemnisk_braze.let_in",
        )


class LemniskBrazeAdminConfig(admin_apps.AdminConfig):
    default = False
    default_site = "lemnisk_braze.dashboard.site.Site"
