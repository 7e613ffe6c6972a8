"""The whole site in one file: made while it runs, restored onto either database.

A backup is a tar file. `rows/` holds every table as gzipped lines of JSON, `media/` every file
that a row names, and `manifest.json`, the last part, how many there are and what they hash to.
Each part's own SHA-256 stands in its header. Nothing in it depends on the database it came from,
so that restoring is also how a site moves from SQLite to PostgreSQL.
"""
