"""What produced what: versions of files, records of runs, and restoring one."""
