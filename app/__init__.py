"""The service: who asked, what is stored, what is answered."""

import os

# Plans are what is done side by side, in threads of the web and in children of workers: a thread
# per core for the linear algebra of each only makes them wait for one another. It counts only
# before numpy is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
