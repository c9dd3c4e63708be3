"""The database as migrations left it, after a test that committed.

Django's `flush` cuts every table and makes all permissions and groups anew: a third of a
second, six hundred times. Here the tables are locked as TRUNCATE locks them, so that it
waits for whoever still writes, and only what a test has written is deleted.
"""

from django.db import connection

# Rows that migrations wrote are kept beside the tables.
KEEP = """
    DO $$
    DECLARE name text; found boolean;
    BEGIN
        CREATE SCHEMA first_rows;
        FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
            EXECUTE format('SELECT EXISTS (SELECT FROM %I)', name) INTO found;
            IF found THEN
                EXECUTE format('CREATE TABLE first_rows.%1$I AS TABLE public.%1$I', name);
            END IF;
        END LOOP;
    END $$
"""
# Foreign keys are not looked at: in the end nothing points to what is gone. Nobody
# vacuums (tests/servers.py): where what is gone takes many pages, the file is gone, too.
EMPTY = """
    DO $$
    DECLARE name text; kept regclass; found boolean;
    BEGIN
        EXECUTE (
            SELECT 'LOCK TABLE ' || string_agg(format('%I', tablename), ', ')
            FROM pg_tables WHERE schemaname = 'public'
        );
        SET LOCAL session_replication_role = replica;
        EXECUTE coalesce((
            SELECT 'TRUNCATE ' || string_agg(oid::regclass::text, ', ') || ' CASCADE'
            FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
              AND pg_relation_size(oid) > 1600000
        ), 'SELECT');
        FOR name, kept IN
            SELECT tablename, to_regclass(format('first_rows.%I', tablename))
            FROM pg_tables WHERE schemaname = 'public'
        LOOP
            IF kept IS NULL THEN
                EXECUTE format('SELECT EXISTS (SELECT FROM %I)', name) INTO found;
            ELSE
                EXECUTE format(
                    'SELECT EXISTS ((TABLE %1$I EXCEPT ALL TABLE %2$s)'
                    ' UNION ALL (TABLE %2$s EXCEPT ALL TABLE %1$I))', name, kept
                ) INTO found;
            END IF;
            CONTINUE WHEN NOT found;
            EXECUTE format('DELETE FROM %I', name);
            IF kept IS NOT NULL THEN
                EXECUTE format('INSERT INTO %I TABLE %s', name, kept);
            END IF;
        END LOOP;
    END $$
"""


def keep_first_rows() -> None:
    """Once, when the database is migrated and before the first test."""
    with connection.cursor() as cursor:
        cursor.execute(KEEP)


def empty() -> None:
    """Delete every row that is not a first one, and put back what is missing of those.

    The session is kept for the next test, without what was set in it: a new one would
    read all about the tables again, which is most of what such a test takes.
    """
    with connection.cursor() as cursor:
        cursor.execute("RESET ALL")
        cursor.execute(
            "SELECT set_config('TimeZone', %s, false)", [connection.timezone_name]
        )
        cursor.execute(EMPTY)
