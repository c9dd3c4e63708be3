from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("segments", "0018_no_index_twice")]

    operations = [
        migrations.AddField(
            model_name="segment",
            name="keeps_again",
            field=models.BooleanField(
                db_default=False, default=False, editable=False
            ),
        ),
        migrations.AlterField(
            model_name="transition",
            name="kind",
            field=models.CharField(
                choices=[
                    ("entry", "Entry"),
                    ("exit", "Exit"),
                    ("again", "did it again"),
                ],
                max_length=8,
            ),
        ),
    ]
