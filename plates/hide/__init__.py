"""Making the plates in photographs and videos unreadable, and saying what was hidden and what was doubtful.

Finding them is `plates.predict`'s.
"""
