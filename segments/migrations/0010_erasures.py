"""Erasures and tombstones; whoever saw people's data before goes on to see them."""

from typing import Any

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


def keep_in_sight(apps: Any, schema_editor: Any) -> None:
    """Let groups and users who may see people see their data, as they did.

    A new installation has neither yet.
    """
    content_types = apps.get_model("contenttypes", "ContentType")
    permissions = apps.get_model("auth", "Permission")
    seeing = permissions.objects.filter(
        content_type__app_label="segments", codename="view_profile"
    ).first()
    if seeing is None:
        return
    clear, _ = permissions.objects.get_or_create(
        content_type=content_types.objects.get(pk=seeing.content_type_id),
        codename="view_personal_data",
        defaults={"name": "Can see people's data unmasked"},
    )
    for group in seeing.group_set.all():
        group.permissions.add(clear)
    for user in seeing.user_set.all():
        user.user_permissions.add(clear)


class Migration(migrations.Migration):

    dependencies = [
        ('segments', '0009_events_by_copy'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Tombstone',
            fields=[
                ('fingerprint', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('erased_at', models.DateTimeField()),
                ('may_return', models.BooleanField()),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.AlterModelOptions(
            name='profile',
            options={'permissions': [('view_personal_data', "Can see people's data unmasked"), ('export_profile', 'Can export all that is known of a person'), ('erase_profile', 'Can erase a person')], 'verbose_name': 'person', 'verbose_name_plural': 'people'},
        ),
        migrations.CreateModel(
            name='Erasure',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('asked_through', models.CharField(editable=False, max_length=255)),
                ('may_return', models.BooleanField(editable=False)),
                ('state', models.CharField(choices=[('working', 'At work'), ('done', 'Done')], default='working', max_length=8)),
                ('went', models.JSONField(default=dict, editable=False)),
                ('keys', models.JSONField(default=list, editable=False)),
                ('people', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), default=list, editable=False, size=None)),
                ('done', models.JSONField(default=list, editable=False)),
                ('problem', models.TextField(blank=True, default='', editable=False)),
                ('next_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('tries', models.PositiveIntegerField(default=0, editable=False)),
                ('also_at_id', models.BigIntegerField(editable=False, null=True)),
                ('also_at', models.CharField(blank=True, default='', editable=False, max_length=255)),
                ('answer', models.TextField(blank=True, default='', editable=False)),
                ('finished_at', models.DateTimeField(editable=False, null=True)),
                ('by', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('state', 'working')), fields=['next_at'], name='erasure_at_work')],
            },
        ),
        migrations.RunPython(keep_in_sight, migrations.RunPython.noop),
    ]
