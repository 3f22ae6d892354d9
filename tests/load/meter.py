"""Runs a program and writes its peak memory in KiB into a file: python3 -I -S meter.py FILE PROGRAM ARGUMENT…

A process of its own, for what wait4(2) tells of a child is at least what its parent had when it was made: this one is small.
"""
import os
import sys

child = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(child, 0)
with open(sys.argv[1], "w", encoding="ascii") as file:
    file.write(str(usage.ru_maxrss))
sys.exit(os.waitstatus_to_exitcode(status) & 255)
