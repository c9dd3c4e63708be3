from django.db import migrations, models

# As engagements.outbox.delivery_records counts them.
COUNT = """
    UPDATE engagements_batch b SET skip_counts = x.counts FROM (
        SELECT batch_id, jsonb_object_agg(code, n) AS counts FROM (
            SELECT batch_id, split_part(reason, ':', 1) AS code, count(*) AS n
            FROM engagements_delivery WHERE state = 'skipped' GROUP BY 1, 2
        ) y GROUP BY batch_id
    ) x WHERE b.id = x.batch_id
"""


class Migration(migrations.Migration):

    dependencies = [
        ('engagements', '0011_variants'),
    ]

    operations = [
        # Each request writes its people's rows anew: beside the old one no index is
        # touched.
        migrations.RunSQL(
            "ALTER TABLE engagements_sentlately SET (fillfactor = 70)",
            migrations.RunSQL.noop,
        ),
        migrations.AddField(
            model_name='batch',
            name='skip_counts',
            field=models.JSONField(db_default={}, default=dict),
        ),
        migrations.RunSQL(COUNT, migrations.RunSQL.noop),
    ]
