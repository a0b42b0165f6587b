"""One small file a library: functions ``solve(cost, a, b)`` to a value, a plan, or a mapping with both.

Nothing of a library is corrected here: arguments are handed over as they are, in its order. A missing
library raises ImportError, which whoever runs the table shows as the reason for a skip.
"""
