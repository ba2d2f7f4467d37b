"""A run in the formats of other systems: pure functions from a document to text.

All of them tell the same entries (:mod:`.entries`) in the words of the format, in the order of
endpoints. What came from a network is made visible before it is escaped. Same run, same bytes.
"""
