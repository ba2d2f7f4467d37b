"""Pictures of a run as SVG: pure functions from plain values to text.

Each takes what it shows and nothing else, says the same in words, and needs no style sheet: colours
are attributes, which the classes of a page override for dark screens. Same values, same bytes.
"""
