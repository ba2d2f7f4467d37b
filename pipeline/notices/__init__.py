"""Word to people: before a run, when it begins, pauses, is blocked, ends, or comes to nothing."""
