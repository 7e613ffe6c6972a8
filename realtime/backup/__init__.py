"""Backups: the whole site in one file, made while it runs, restored onto either database.

A backup is a tar file. `rows/` holds every table as gzipped lines of JSON, `media/` every file that
a row names, and `manifest.json`, the last part, their numbers and hashes. Each part's own SHA-256
is in its header. Nothing depends on the database it came from, so that a site moves from SQLite to
PostgreSQL by being restored there.
"""
