"""What CCPD is: the label in a file name, subsets and official splits, scores, and scenes made for a dry run."""
