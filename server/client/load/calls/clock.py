"""The clock of calls: the loop's, but read now, and to the microsecond.

uvloop's own time is that of the last turn of the loop, in whole milliseconds: what came then is stamped up to a
millisecond early, and more behind a long turn. The two have one origin, so that what is due by one can be slept for by
the other.
"""

import time

now = time.monotonic
