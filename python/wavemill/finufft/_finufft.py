"""What programs look up in FINUFFT's own library: the number of threads it would take."""

import os


class lib:
    """Stands for the shared library."""

    @staticmethod
    def omp_get_max_threads() -> int:
        """The threads that ``nthreads=0`` means."""
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1
