"""Studies: tables that take longer than a lesson, one module a chapter, `chNN.py` with `run(seeds)`."""
