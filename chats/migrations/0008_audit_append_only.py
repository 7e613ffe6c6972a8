"""The audit trail can be added to and read, and nothing else."""

from django.db import migrations

from chats.append_only import TRAIL


def guard(apps, schema_editor):
    TRAIL.install(schema_editor.connection)


def unguard(apps, schema_editor):
    TRAIL.remove(schema_editor.connection)


class Migration(migrations.Migration):

    dependencies = [('chats', '0007_recording_partial')]

    operations = [migrations.RunPython(guard, unguard)]
