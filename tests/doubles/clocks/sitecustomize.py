"""Python imports it before anything else: this process's wall clock is off.

For processes that tests start with this folder on their PYTHONPATH. The monotonic clock
stays what it is, as on a machine whose clock was set wrong.
"""

import os
import time

import time_machine

time_machine.travel(time.time() + float(os.environ["CLOCK_AHEAD"])).start()
# It goes on only when it was asked: else loading what comes next takes no time.
time.time()
