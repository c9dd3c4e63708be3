from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('engagements', '0015_approvals_are_withdrawn'),
    ]

    operations = [
        # A run writes all rows of a page in one transaction: with less room most of the
        # new ones went to other pages, and into the indexes once more.
        migrations.RunSQL(
            "ALTER TABLE engagements_sentlately SET (fillfactor = 40)",
            migrations.RunSQL.noop,
        ),
    ]
