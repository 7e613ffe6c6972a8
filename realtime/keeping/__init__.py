"""How what is said gets into the database and onto the disk, while nobody waits for it.

- `store`, `rows`, `statements`: the one bounded writer of rows, and how they are written
- `journal`: rows that are not in the database yet
- `row_writing`, `row_writer`: the program beside that writes them, from both sides
- `tracks`, `background`: audio as it is spoken
- `mp3`, `encoding`, `encoder`: recordings, made by a program beside
"""
