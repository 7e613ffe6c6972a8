"""An app of a test's site: functions in its real registry, one that draws, one that asks first."""
