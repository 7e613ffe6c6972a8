"""What happens during a call, and what it costs."""
