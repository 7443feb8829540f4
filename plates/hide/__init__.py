"""Makes the plates in photographs and videos unreadable, and reports what was hidden and what was doubtful.

Finding them is the job of `plates.predict`.
"""
