"""The append-only table of the ledger."""

from chats.append_only import AppendOnly

LEDGER = AppendOnly("realtime_usage", "the ledger is append-only")
install, remove, lifted = LEDGER.install, LEDGER.remove, LEDGER.lifted
