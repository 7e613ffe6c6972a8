"""What people keep: users, accounts, conversations, messages and recordings."""
