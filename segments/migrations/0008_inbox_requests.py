"""The inbox keeps a row a request; what waits in that of 0.1.0 moves along."""

from datetime import timedelta
from typing import Any

import django.contrib.postgres.indexes
import django.db.models.deletion
from django.db import migrations, models
from django.db.models.functions import Now

# Rows that are read and written at once.
PAGE = 5_000
# (P) No SDK sends again for longer.
LATELY = timedelta(days=1)

# Of no use to who reads them once, and soon; and dead rows are in every reader's way.
INBOX = """
ALTER TABLE segments_inboxrequest ALTER body SET STORAGE EXTERNAL;
ALTER TABLE segments_inboxrequest SET (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000
);
"""
# Nobody adds to it until this is over.
MOVE = """
LOCK TABLE segments_inboxmessage;
INSERT INTO segments_inboxrequest (source_id, body, count, received_at)
SELECT source_id, convert_to(
        jsonb_build_array(jsonb_build_array(message_id, kind, payload))::text, 'UTF8'
    ), 1, received_at
FROM segments_inboxmessage WHERE applied_at IS NULL ORDER BY id;
INSERT INTO segments_refusedmessage
    (source_id, at, stage, code, message, message_id, kind, body)
SELECT source_id, applied_at, 'applying', 'cannot_be_applied', error, message_id, kind,
    convert_to(payload::text, 'UTF8')
FROM segments_inboxmessage WHERE applied_at IS NOT NULL AND error <> '' ORDER BY id;
"""
# What is applied stands in people and events.
EMPTY = "TRUNCATE segments_inboxmessage"
KNOW = """
INSERT INTO segments_seen (key, digest, day)
VALUES (%s, %s, (now() AT TIME ZONE 'UTC')::date) ON CONFLICT DO NOTHING
"""
# Who might look at the inbox still may.
LOOK = """
INSERT INTO django_content_type (app_label, model)
VALUES ('segments', 'inboxrequest') ON CONFLICT DO NOTHING;
INSERT INTO auth_permission (name, content_type_id, codename)
SELECT 'Can view inbox request', id, 'view_inboxrequest' FROM django_content_type
WHERE (app_label, model) = ('segments', 'inboxrequest') ON CONFLICT DO NOTHING;
INSERT INTO auth_group_permissions (group_id, permission_id)
SELECT g.group_id, new.id FROM auth_group_permissions g
JOIN auth_permission old ON old.id = g.permission_id
JOIN auth_permission new ON new.codename = 'view_inboxrequest'
WHERE old.codename = 'view_inboxmessage' ON CONFLICT DO NOTHING;
INSERT INTO auth_user_user_permissions (user_id, permission_id)
SELECT u.user_id, new.id FROM auth_user_user_permissions u
JOIN auth_permission old ON old.id = u.permission_id
JOIN auth_permission new ON new.codename = 'view_inboxrequest'
WHERE old.codename = 'view_inboxmessage' ON CONFLICT DO NOTHING;
"""


def know_what_came_lately(apps: Any, schema_editor: Any) -> None:
    """What was applied lately is not applied again, should it be sent again."""
    from segments.ingest import seen

    applied = apps.get_model("segments", "InboxMessage").objects.filter(
        applied_at__isnull=False, error="", received_at__gt=Now() - LATELY
    )
    last = 0
    while rows := list(applied.filter(pk__gt=last).order_by("pk")[:PAGE]):
        last = rows[-1].pk
        keys = [
            (seen.key_of(row.source_id, row.message_id), digest)
            for row in rows
            for digest, _ in [seen.digest_of(row.kind, row.payload)]
        ]
        with schema_editor.connection.cursor() as cursor:
            cursor.executemany(KNOW, keys)


class Migration(migrations.Migration):

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("segments", "0007_counts_in_ranges"),
    ]

    operations = [
        migrations.CreateModel(
            name="InboxRequest",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("body", models.BinaryField()),
                ("count", models.PositiveIntegerField()),
                ("done", models.PositiveIntegerField(db_default=0, editable=False)),
                ("received_at", models.DateTimeField(db_default=Now(), editable=False)),
                ("note", models.TextField(blank=True, db_default="", editable=False)),
                ("source", models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="segments.source")),
            ],
        ),
        migrations.CreateModel(
            name="IntakeMinute",
            fields=[
                ("pk", models.CompositePrimaryKey("minute", "source_id", blank=True, editable=False, primary_key=True, serialize=False)),
                ("minute", models.DateTimeField()),
                ("applied", models.PositiveIntegerField()),
                ("refused", models.PositiveIntegerField()),
                ("last_at", models.DateTimeField()),
                ("source", models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name="+", to="segments.source")),
            ],
        ),
        migrations.CreateModel(
            name="Seen",
            fields=[
                ("key", models.BigIntegerField(primary_key=True, serialize=False)),
                ("digest", models.BigIntegerField()),
                ("day", models.DateField()),
            ],
            options={
                "indexes": [django.contrib.postgres.indexes.BrinIndex(autosummarize=True, fields=["day"], name="seen_day")],
            },
        ),
        migrations.RunSQL(INBOX, migrations.RunSQL.noop),
        migrations.RunSQL(MOVE, migrations.RunSQL.noop),
        migrations.RunPython(know_what_came_lately, migrations.RunPython.noop),
        migrations.RunSQL(EMPTY, migrations.RunSQL.noop),
        migrations.RunSQL(LOOK, migrations.RunSQL.noop),
    ]
